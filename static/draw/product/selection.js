// @ts-check
/**
 * Chooses rows of a table: one with a click, a range with Shift, all that are shown with the box in
 * the head. Keeps the choice by PK, so that it survives when the table is replaced.
 */

import { parts } from "../find.js";

export class Selection {
  /** @type {Map<number, string>} the names of the chosen by PK */
  chosen = new Map();
  /** @type {HTMLElement | null} where the next range begins */
  #anchor = null;

  /**
   * @param {HTMLElement} place holds the table, which may be replaced
   * @param {() => void} changed
   * @param {() => Promise<void>} complete adds the rows that are not in the table yet
   */
  constructor(place, changed, complete) {
    this.place = place;
    this.changed = changed;
    this.complete = complete;
    place.addEventListener("click", (event) => this.#clicked(event));
    place.addEventListener("mousedown", (event) => {
      if (event.shiftKey && rowOf(event)) event.preventDefault(); // else it would select text
    });
  }

  get rows() {
    return parts("tbody tr", this.place);
  }

  get shown() {
    return this.rows.filter((row) => !row.hidden);
  }

  /** @param {{pk: number}[]} products which may be all that are in the table */
  shows(products) {
    const rows = this.rows;
    return rows.length === products.length && products.every(({ pk }, at) => pkOf(rows[at]) === pk);
  }

  clear() {
    this.chosen.clear();
    this.draw();
  }

  /** @param {number[]} pks */
  forget(pks) {
    for (const pk of pks) this.chosen.delete(pk);
    this.draw();
  }

  /** Show in the table what is chosen. */
  draw() {
    for (const row of this.rows) {
      const chosen = this.chosen.has(pkOf(row));
      row.classList.toggle("chosen", chosen);
      for (const box of boxesOf(row)) box.checked = chosen;
    }
    this.#drawHead();
    this.changed();
  }

  #drawHead() {
    const shown = this.shown;
    const chosen = shown.filter((row) => this.chosen.has(pkOf(row))).length;
    for (const box of boxesOf(this.place.querySelector("thead"))) {
      box.checked = chosen > 0 && chosen === shown.length;
      box.indeterminate = chosen > 0 && chosen < shown.length;
    }
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (target.closest("thead input")) return void this.#chooseAll();
    const row = rowOf(event);
    if (!row || !boxesOf(row).length || target.closest("a, button")) return;
    if (event.shiftKey && this.#anchor?.isConnected) this.#chooseRange(row);
    else this.#toggle(row);
    this.draw();
  }

  async #chooseAll() {
    const all = this.shown.every((row) => this.chosen.has(pkOf(row)));
    if (!all) await this.complete();
    for (const row of this.shown) this.#set(row, !all);
    this.draw();
  }

  /** @param {HTMLElement} row */
  #toggle(row) {
    this.#set(row, !this.chosen.has(pkOf(row)));
    this.#anchor = row;
  }

  /** @param {HTMLElement} row */
  #chooseRange(row) {
    const shown = this.shown;
    const ends = [shown.indexOf(/** @type {HTMLElement} */ (this.#anchor)), shown.indexOf(row)];
    const choose = this.chosen.has(pkOf(/** @type {HTMLElement} */ (this.#anchor)));
    for (const each of shown.slice(Math.min(...ends), Math.max(...ends) + 1)) this.#set(each, choose);
  }

  /**
   * @param {HTMLElement} row
   * @param {boolean} choose
   */
  #set(row, choose) {
    if (choose) this.chosen.set(pkOf(row), row.dataset.name ?? "");
    else this.chosen.delete(pkOf(row));
  }
}

/** @param {HTMLElement} row */
function pkOf(row) {
  return Number(row.dataset.pk);
}

/** @param {MouseEvent} event */
function rowOf(event) {
  return /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest("tbody tr"));
}

/**
 * @param {Element | null} element
 * @returns {HTMLInputElement[]}
 */
function boxesOf(element) {
  return element ? parts('input[type="checkbox"]', element) : [];
}
