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

/**
 * The same of a picture in I420, of full range and BT.709: so Chromium converts a canvas. Its H.264 says so,
 * VP8 cannot, and its VP9 does not, so that programs take these for something else.
 */
export function middleOfCanvas(picture, width, height) {
  const luma = Math.floor(height / 2) * width + Math.floor(width / 2);
  const chroma = width * height + (Math.floor(height / 4) * width) / 2 + Math.floor(width / 4);
  const y = picture[luma];
  const [cb, cr] = [0, 1].map((plane) => picture[chroma + (plane * width * height) / 4] - 128);
  return [y + 1.5748 * cr, y - 0.1873 * cb - 0.4681 * cr, y + 1.8556 * cb].map(Math.round);
}
