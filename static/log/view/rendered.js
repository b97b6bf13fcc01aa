// @ts-check
/** The lines that came with the page: shown until the same ones are loaded, so that nothing flickers. */

export class RenderedLines {
  /**
   * @param {HTMLElement} box
   * @param {HTMLElement} window what takes their place
   */
  constructor(box, window) {
    this.box = box;
    this.window = window;
  }

  get shown() {
    return this.box.classList.contains("still");
  }

  /**
   * Let the rows take their place, as soon as those at the end can be drawn.
   *
   * @param {import("./rows.js").RowSource} source
   * @param {number} first the row from which on rows are needed
   * @param {boolean} following
   * @returns {boolean} whether they have gone
   */
  giveWay(source, first, following) {
    const last = source.length;
    if (last && following && !isReady(source, last)) {
      source.need(Math.max(1, first), last);
      return false;
    }
    this.box.classList.remove("still");
    this.box.firstElementChild?.replaceChildren(this.window);
    return true;
  }
}

/**
 * @param {import("./rows.js").RowSource} source
 * @param {number} row
 */
function isReady(source, row) {
  const { entry, heading } = source.at(row);
  return Boolean(entry ?? heading);
}
