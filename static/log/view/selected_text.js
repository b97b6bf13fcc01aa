// @ts-check
/** Finds the lines in which the reader's selection of text begins and ends. */

/** A longer selection loses rows that are scrolled away. */
const SELECTED_ROWS = 2000;

/**
 * @param {HTMLElement} box
 * @param {Node | null} node
 * @returns {number} the number of the line that it is in, or 0
 */
export function lineOf(box, node) {
  const element = node instanceof Element ? node : node?.parentElement;
  const row = element?.closest(".line");
  return row instanceof HTMLElement && box.contains(row) ? Number(row.dataset.number) : 0;
}

/**
 * @param {HTMLElement} box
 * @returns {number[]} two lines, or none
 */
export function selectedLines(box) {
  const selection = getSelection();
  if (!selection || selection.isCollapsed) return [];
  const ends = [selection.anchorNode, selection.focusNode].map((end) => lineOf(box, end));
  return ends.every(Boolean) ? ends : [];
}

/**
 * Widen a span of rows to those with the reader's selection: a selection of text keeps its rows
 * alive while it is scrolled away.
 *
 * @param {{first: number, last: number}} span
 * @param {number[]} selected the rows in which the selection begins and ends, if there is one
 * @returns {{first: number, last: number}}
 */
export function withSelection({ first, last }, selected) {
  const [begin, end] = [Math.min(...selected), Math.max(...selected)];
  if (selected.length && last - begin < SELECTED_ROWS) first = Math.min(first, begin);
  if (selected.length && end - first < SELECTED_ROWS) last = Math.max(last, end);
  return { first, last };
}
