// SPDX-License-Identifier: Apache-2.0
// How answers stand on this screen: what a vote says may depend on which one is read first.

const kMostPixels = 20000;

const pixels = (size) => Math.min(kMostPixels, Math.max(1, Math.round(size)));

/** {shown: {layout, width_px, height_px}} of the answers in `box`, as the API takes it; {} where there are not two. */
export function shownIn(box) {
  const [first, second] = [...box.querySelectorAll(":scope > .answer")].map((answer) => answer.getBoundingClientRect());
  if (!second || !first.height || !second.height) return {};
  const layout = second.top < first.bottom ? "side_by_side" : "stacked";
  return { shown: { layout, width_px: pixels(innerWidth), height_px: pixels(innerHeight) } };
}
