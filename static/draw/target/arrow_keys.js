// @ts-check
/**
 * Arrow keys in a table: of all its rows, the one where the focus was last is in the order of the Tab
 * key. Up and down lead to the same control of the next row, left and right to the next control, Home
 * and End to the first and the last row.
 */

const CONTROLS = "a[href], button, input, summary";
const PAGE_ROWS = 10;

export class ArrowKeys {
  /** @type {HTMLElement | null} */
  #current = null;

  /**
   * @param {HTMLElement} table a table, or what holds one
   * @param {object} [rows] where they are not all there
   * @param {() => number} [rows.count]
   * @param {(index: number) => HTMLElement | null} [rows.at] a row by its place, made to be there
   */
  constructor(table, rows = {}) {
    this.table = table;
    this.count = rows.count ?? (() => rowsOf(table).length);
    this.at = rows.at ?? ((index) => rowsOf(table)[index] ?? null);
    table.addEventListener("focusin", (event) => this.#focused(event));
    table.addEventListener("keydown", (event) => this.#pressed(event));
    const observer = new MutationObserver((changes) => {
      this.#settle([...new Set(changes.flatMap(changedIn))]);
      observer.takeRecords(); // of what was just settled
    });
    observer.observe(table, { childList: true, subtree: true, attributeFilter: ["tabindex"] });
    this.#settle(rowsOf(table));
  }

  /**
   * Have one row in the order of the Tab key.
   *
   * @param {HTMLElement[]} came rows that have just come, or were drawn anew
   */
  #settle(came) {
    if (!this.#current?.isConnected) this.#current = rowsOf(this.table)[0] ?? null;
    for (const row of came) if (row !== this.#current) setReachable(row, false);
    if (this.#current) setReachable(this.#current, true);
  }

  /** @param {FocusEvent} event */
  #focused(event) {
    const row = rowOf(event.target);
    if (!row || row === this.#current) return;
    if (this.#current) setReachable(this.#current, false);
    this.#current = row;
    setReachable(row, true);
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const row = rowOf(event.target);
    if (!row) return;
    const place = this.#placeOf(row);
    const next = {
      ArrowUp: place - 1,
      ArrowDown: place + 1,
      Home: 0,
      End: this.count() - 1,
      PageUp: Math.max(0, place - PAGE_ROWS),
      PageDown: Math.min(this.count() - 1, place + PAGE_ROWS),
    }[event.key];
    if (next !== undefined) this.#moveTo(next, row, event);
    else if (event.key === "ArrowLeft" || event.key === "ArrowRight") moveAlong(row, event);
  }

  /** @param {HTMLElement} row */
  #placeOf(row) {
    const given = Number(row.getAttribute("aria-rowindex"));
    return given ? given - 2 : rowsOf(this.table).indexOf(row);
  }

  /**
   * @param {number} place
   * @param {HTMLElement} from
   * @param {KeyboardEvent} event
   */
  #moveTo(place, from, event) {
    const row = place < 0 ? null : this.at(place);
    if (!row) return;
    event.preventDefault();
    const column = controlsOf(from).indexOf(/** @type {HTMLElement} */ (event.target));
    const controls = controlsOf(row);
    const control = controls[Math.min(column, controls.length - 1)];
    control?.focus({ preventScroll: true });
    control?.scrollIntoView({ block: "nearest" });
  }
}

/**
 * @param {HTMLElement} row
 * @param {KeyboardEvent} event
 */
function moveAlong(row, event) {
  const controls = controlsOf(row);
  const place = controls.indexOf(/** @type {HTMLElement} */ (event.target)) + (event.key === "ArrowLeft" ? -1 : 1);
  if (place < 0 || place >= controls.length) return;
  event.preventDefault();
  controls[place].focus();
}

/**
 * @param {HTMLElement} row
 * @param {boolean} reachable
 */
function setReachable(row, reachable) {
  for (const control of /** @type {NodeListOf<HTMLElement>} */ (row.querySelectorAll(CONTROLS))) {
    if (reachable) control.removeAttribute("tabindex");
    else if (control.tabIndex !== -1) control.tabIndex = -1;
  }
}

/** @param {HTMLElement} row */
function controlsOf(row) {
  const all = /** @type {HTMLElement[]} */ ([...row.querySelectorAll(CONTROLS)]);
  return all.filter((control) => control.checkVisibility() && !(/** @type {HTMLButtonElement} */ (control).disabled));
}

/**
 * Return the rows that have come, or of which something has, or whose place in the order of the Tab
 * key was changed by what draws them anew.
 *
 * @param {MutationRecord} change
 */
function changedIn({ type, target, addedNodes }) {
  return (type === "attributes" ? [target] : [...addedNodes]).flatMap(rowsIn);
}

/**
 * Return the rows that something is, has, or is a part of.
 *
 * @param {Node} node
 * @returns {HTMLElement[]}
 */
function rowsIn(node) {
  if (!(node instanceof HTMLElement)) return [];
  const row = node.closest("tbody tr");
  return row instanceof HTMLElement ? [row] : rowsOf(node);
}

/** @param {HTMLElement} within a table, a part of it, or what holds it */
function rowsOf(within) {
  return /** @type {HTMLElement[]} */ ([...within.querySelectorAll("tbody:not([aria-hidden]) tr")]);
}

/** @param {EventTarget | null} target */
function rowOf(target) {
  return target instanceof Element ? /** @type {HTMLElement | null} */ (target.closest("tbody tr")) : null;
}
