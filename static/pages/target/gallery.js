// @ts-check
/** The data products as a gallery of pictures instead of rows with all the facts. Loaded when wanted. */

import { keep } from "../../draw/browser/kept.js";
import { part } from "../../draw/find.js";

export class Gallery {
  /**
   * @param {HTMLTableElement} table
   * @param {string} key under which it is remembered what the reader wants
   * @param {(columns: number) => void} arranged called with how many pictures are side by side
   */
  constructor(table, key, arranged) {
    this.table = table;
    this.key = key;
    this.arranged = arranged;
    new ResizeObserver(() => this.#arrange()).observe(table);
  }

  /** Go there, or back to the rows. */
  toggle() {
    const shown = part("#products").classList.toggle("gallery");
    part("#gallery").setAttribute("aria-pressed", String(shown));
    keep(this.key, String(shown));
    this.#arrange();
  }

  #arrange() {
    const body = this.table.closest(".gallery") ? this.table.tBodies[0] : null;
    this.arranged(body ? getComputedStyle(body).gridTemplateColumns.split(" ").length : 1);
  }
}
