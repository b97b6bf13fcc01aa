// @ts-check
/** Finds the lines in which the reader's selection of text begins and ends. */

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
