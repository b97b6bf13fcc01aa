// @ts-check
/** Keeps rows in their places when wrapped lines turn out to be higher than one line. */

/**
 * Take over how high rows are, now that they are drawn.
 *
 * @param {import("../geometry.js").Geometry} geometry
 * @param {import("./rows.js").Rows} rows
 * @param {import("./rows.js").RowContent[]} contents those of the rows that are drawn
 * @param {number} first the row of the first
 * @param {number} held the row that stays where it is; 0 for the first one in view
 * @returns {boolean} whether anything has changed
 */
export function takeHeights(geometry, rows, contents, first, held) {
  const { heights, rowHeight } = geometry;
  const fixed = held || geometry.firstVisible;
  const [top, total] = [geometry.topOf(fixed), heights.total];
  const measured = contents.map(({ key }) => rows.heightOf(key) - rowHeight);
  let changed = false;
  measured.forEach((extra, index) => {
    changed ||= heights.of(first + index) !== Math.max(0, extra);
    heights.set(first + index, Math.max(0, extra));
  });
  if (heights.total !== total) geometry.top += geometry.topOf(fixed) - top;
  return changed;
}

/**
 * Forget how high rows are while they change, but for the one in view.
 *
 * @param {import("../geometry.js").Geometry} geometry
 * @param {() => number} rowInView asked before and after the change
 * @param {() => void} change
 */
export function changeRows(geometry, rowInView, change) {
  const extra = geometry.heights.of(rowInView());
  change();
  geometry.heights.clear();
  geometry.heights.set(rowInView(), extra);
}
