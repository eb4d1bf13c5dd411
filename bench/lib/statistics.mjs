export const quantile = (values, at) => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))];
};
export const median = (values) => quantile(values, 0.5);
