// Colors of pictures, as the tests send and compare them.

export const red = [200, 30, 30];
export const blue = [20, 60, 160];

/** Whether a color differs by what encoders and color spaces may change, and no more. */
export const isNear = (color, wanted) => color.every((value, at) => Math.abs(value - wanted[at]) <= 8);

/** The color in the middle of a picture in RGB. */
export function middleOf(picture, width) {
  const height = picture.length / width / 3;
  const at = 3 * (Math.floor(height / 2) * width + Math.floor(width / 2));
  return [...picture.subarray(at, at + 3)];
}
