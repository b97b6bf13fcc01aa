// @ts-check
/**
 * Chooses data products in a table: one with a click, a range with Shift, all that are shown with the
 * box in the head. Keeps the choice by PK, so that it survives when rows go, and knows which of the
 * chosen are not shown.
 */

import { parts } from "../find.js";

/** @typedef {import("../target/frame_list.js").Frame} Frame */

export class Selection {
  /** @type {Map<number, Frame>} the chosen by PK */
  chosen = new Map();
  /** @type {Frame[]} what is shown, in its order */
  #shown = [];
  /** @type {Set<number>} */
  #shownPks = new Set();
  /** Whether all that was shown has been chosen with the box in the head, and nothing else since. */
  all = false;
  /** @type {number | null} the PK where the next range begins */
  #anchor = null;

  /**
   * @param {HTMLElement} place holds the table
   * @param {() => void} changed
   */
  constructor(place, changed) {
    this.place = place;
    this.changed = changed;
    place.addEventListener("click", (event) => this.#clicked(event));
    place.addEventListener("mousedown", (event) => {
      if (event.shiftKey && rowOf(event)) event.preventDefault(); // else it would select text
    });
  }

  /** The chosen that are not shown. */
  get hidden() {
    return [...this.chosen.values()].filter(({ pk }) => !this.#shownPks.has(pk));
  }

  /**
   * Take other frames: those that are shown, of all that there are. The choice of others is dropped.
   *
   * @param {Frame[]} shown
   * @param {Map<number, Frame>} all by PK
   */
  take(shown, all) {
    this.#shown = shown;
    this.#shownPks = new Set(shown.map(({ pk }) => pk));
    for (const pk of this.chosen.keys()) {
      const frame = all.get(pk);
      if (frame) this.chosen.set(pk, frame);
      else this.chosen.delete(pk);
    }
    this.draw();
  }

  /** @param {Iterable<Frame>} frames */
  chooseOnly(frames) {
    this.chosen = new Map([...frames].map((frame) => [frame.pk, frame]));
    this.all = false;
    this.draw();
  }

  /** Drop what is chosen and not shown. */
  chooseOnlyShown() {
    this.chooseOnly([...this.chosen.values()].filter(({ pk }) => this.#shownPks.has(pk)));
  }

  /** @param {Iterable<number>} pks */
  forget(pks) {
    for (const pk of pks) this.chosen.delete(pk);
    this.all = false;
    this.draw();
  }

  /** Show in the table what is chosen. */
  draw() {
    this.drawRows(parts("tbody tr", this.place));
    this.#drawHead();
    this.changed();
  }

  /** @param {HTMLElement[]} rows */
  drawRows(rows) {
    for (const row of rows) {
      const chosen = this.chosen.has(pkOf(row));
      row.classList.toggle("chosen", chosen);
      for (const box of boxesOf(row)) box.checked = chosen;
    }
  }

  #drawHead() {
    const count = this.#shown.length;
    const chosen = this.#shown.filter(({ pk }) => this.chosen.has(pk)).length;
    for (const box of boxesOf(this.place.querySelector("thead"))) {
      box.checked = chosen > 0 && chosen === count;
      box.indeterminate = chosen > 0 && chosen < count;
    }
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (target.closest("thead input")) return void this.#chooseAll();
    const row = rowOf(event);
    if (!row || !boxesOf(row).length || target.closest("a, button")) return;
    const from = event.shiftKey ? this.#placeOf(this.#anchor) : -1;
    if (from >= 0) this.#chooseRange(from, this.#placeOf(pkOf(row)));
    else this.#toggle(pkOf(row));
    this.all = false;
    this.draw();
  }

  #chooseAll() {
    const all = this.#shown.every(({ pk }) => this.chosen.has(pk));
    for (const frame of this.#shown) this.#set(frame, !all);
    this.all = !all;
    this.draw();
  }

  /** @param {number | null} pk */
  #placeOf(pk) {
    return this.#shown.findIndex((frame) => frame.pk === pk);
  }

  /** @param {number} pk */
  #toggle(pk) {
    const frame = this.#shown[this.#placeOf(pk)];
    if (frame) this.#set(frame, !this.chosen.has(pk));
    this.#anchor = pk;
  }

  /**
   * @param {number} from
   * @param {number} to
   */
  #chooseRange(from, to) {
    const choose = this.chosen.has(this.#shown[from].pk);
    for (const frame of this.#shown.slice(Math.min(from, to), Math.max(from, to) + 1)) this.#set(frame, choose);
  }

  /**
   * @param {Frame} frame
   * @param {boolean} choose
   */
  #set(frame, choose) {
    if (choose) this.chosen.set(frame.pk, frame);
    else this.chosen.delete(frame.pk);
  }
}

/** @param {HTMLElement} row */
function pkOf(row) {
  return Number(row.dataset.pk);
}

/** @param {MouseEvent} event */
function rowOf(event) {
  return /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest("tbody tr[data-pk]"));
}

/**
 * @param {Element | null} element
 * @returns {HTMLInputElement[]}
 */
function boxesOf(element) {
  return element ? parts('input[type="checkbox"]', element) : [];
}
