// @ts-check
/**
 * The rows of a table that may have thousands: those near the window are there, all others are blank
 * bodies of the same height. Elements of a table take no `content-visibility`, and 2,000 rows of some
 * fifteen elements each would cost a second whenever they are sorted; so that the rows come and go by
 * the chunk as the page is scrolled, and stay elements that can be focused, searched and printed as
 * long as they are few.
 *
 * @template {{pk: number}} T
 */

/** So many rows come and go at once. */
const CHUNK = 16;
/** Tables up to this length have all their rows at all times. */
const ALL_UP_TO = 400;
/** How far around the window there are rows. */
const MARGIN = "1000px 0px";
const ROW_HEIGHT = 65;

/**
 * @template T
 * @typedef {object} Chunk
 * @property {HTMLTableSectionElement} body
 * @property {T[]} items
 * @property {boolean} open whether its rows are there
 * @property {number} height that of its rows when they were there last
 */

/** @template {{pk: number}} T */
export class RowChunks {
  /** @type {Chunk<T>[]} */
  #chunks = [];
  /** @type {T[]} */
  #items = [];
  /** @type {Map<number, {row: HTMLElement, item: T}>} rows that have been drawn */
  #rows = new Map();
  #rowHeight = ROW_HEIGHT;
  /** How many rows are side by side, as in a gallery. */
  #columns = 1;

  /**
   * @param {HTMLTableElement} table its rows so far are taken over
   * @param {(item: T) => HTMLElement} make
   * @param {(row: HTMLElement, item: T) => void} redraw when the item of a row has been replaced
   * @param {(rows: HTMLElement[]) => void} came called with rows that have just come
   */
  constructor(table, make, redraw, came) {
    this.table = table;
    this.make = make;
    this.redraw = redraw;
    this.came = came;
    this.observer = new IntersectionObserver((entries) => this.#seen(entries), { rootMargin: MARGIN });
    for (const row of /** @type {HTMLElement[]} */ ([...table.querySelectorAll("tbody tr")])) {
      this.#rows.set(Number(row.dataset.pk), { row, item: /** @type {any} */ (null) });
    }
  }

  /** @param {T[]} items */
  show(items) {
    this.#items = items;
    const focused = document.activeElement;
    const size = this.#columns === 1 ? CHUNK : this.#columns * Math.max(1, Math.round(CHUNK / this.#columns));
    const count = Math.ceil(items.length / size);
    const bodies = [...this.table.tBodies];
    const gone = this.#chunks.splice(count);
    for (const body of this.#chunks.length || gone.length ? gone.map((chunk) => chunk.body) : bodies) this.#drop(body);
    for (let at = 0; at < count; at++) this.#place(at, items.slice(at * size, (at + 1) * size));
    this.table.setAttribute("aria-rowcount", String(items.length + 1));
    this.#forget();
    if (focused instanceof HTMLElement && focused.isConnected && document.activeElement !== focused) {
      focused.focus({ preventScroll: true });
    }
  }

  /** The rows that are there, in their order. */
  get rows() {
    return /** @type {HTMLElement[]} */ (this.#chunks.filter(({ open }) => open).flatMap(({ body }) => [...body.rows]));
  }

  /**
   * Return the row of an item, which is made to be there; null if there is no such item.
   *
   * @param {number} index
   * @returns {HTMLElement | null}
   */
  rowAt(index) {
    let first = 0;
    for (const chunk of this.#chunks) {
      if (index < first + chunk.items.length) {
        if (!chunk.open) this.#open(chunk, first);
        return /** @type {HTMLElement | undefined} */ (chunk.body.rows[index - first]) ?? null;
      }
      first += chunk.items.length;
    }
    return null;
  }

  /**
   * @param {number} columns how many rows are side by side
   */
  setColumns(columns) {
    if (columns === this.#columns) return;
    this.#columns = columns;
    for (const chunk of this.#chunks) chunk.height = 0;
    this.show(this.#items);
  }

  /**
   * @param {number} at
   * @param {T[]} items
   */
  #place(at, items) {
    const chunk = this.#chunks[at] ?? this.#append();
    const same = items.length === chunk.items.length && items.every((item, index) => item.pk === chunk.items[index].pk);
    chunk.items = items;
    if (!same) chunk.height = 0;
    const first = this.#firstOf(at);
    if (chunk.open || this.#items.length <= ALL_UP_TO || (at < 4 && !same)) this.#open(chunk, first);
    else this.#close(chunk);
  }

  /** @param {number} at */
  #firstOf(at) {
    return this.#chunks.slice(0, at).reduce((sum, { items }) => sum + items.length, 0);
  }

  /** @returns {Chunk<T>} */
  #append() {
    const body = document.createElement("tbody");
    body.setAttribute("role", "rowgroup");
    this.table.append(body);
    const chunk = { body, items: /** @type {T[]} */ ([]), open: false, height: 0 };
    this.#chunks.push(chunk);
    this.observer.observe(body);
    return chunk;
  }

  /** @param {HTMLTableSectionElement} body */
  #drop(body) {
    this.observer.unobserve(body);
    body.remove();
  }

  /**
   * @param {Chunk<T>} chunk
   * @param {number} first the index of its first item
   */
  #open(chunk, first) {
    const rows = chunk.items.map((item, index) => this.#rowOf(item, first + index));
    const there = [...chunk.body.rows];
    chunk.open = true;
    chunk.body.removeAttribute("aria-hidden");
    chunk.body.setAttribute("role", "rowgroup");
    if (rows.length === there.length && rows.every((row, index) => row === there[index])) return;
    chunk.body.replaceChildren(...rows);
    this.came(rows);
  }

  /**
   * @param {T} item
   * @param {number} index
   */
  #rowOf(item, index) {
    const known = this.#rows.get(item.pk);
    const row = known?.row ?? this.make(item);
    if (known && known.item !== item) this.redraw(row, item);
    this.#rows.set(item.pk, { row, item });
    row.setAttribute("aria-rowindex", String(index + 2));
    return row;
  }

  /** @param {Chunk<T>} chunk */
  #close(chunk) {
    const height = chunk.height || (chunk.items.length / this.#columns) * this.#rowHeight;
    const blank = document.createElement("tr");
    const cell = blank.insertCell();
    cell.className = "blank";
    cell.style.height = `${height}px`;
    chunk.open = false;
    chunk.body.setAttribute("aria-hidden", "true");
    chunk.body.removeAttribute("role");
    chunk.body.replaceChildren(blank);
  }

  /** @param {IntersectionObserverEntry[]} entries */
  #seen(entries) {
    if (this.#items.length <= ALL_UP_TO) return;
    for (const { target, isIntersecting } of entries) {
      const at = this.#chunks.findIndex(({ body }) => body === target);
      const chunk = this.#chunks[at];
      if (!chunk || chunk.open === isIntersecting) continue;
      if (isIntersecting) this.#open(chunk, this.#firstOf(at));
      else if (!chunk.body.contains(document.activeElement)) {
        chunk.height = chunk.body.getBoundingClientRect().height;
        if (chunk.height && this.#columns === 1) this.#rowHeight = chunk.height / chunk.items.length;
        this.#close(chunk);
      }
    }
  }

  /** Let go of the rows of what is not shown, and of those far away if they are many. */
  #forget() {
    const shown = new Set(this.#items.map(({ pk }) => pk));
    for (const pk of this.#rows.keys()) if (!shown.has(pk)) this.#rows.delete(pk);
    if (this.#rows.size <= 2 * ALL_UP_TO) return;
    for (const [pk, { row }] of this.#rows) if (!row.isConnected) this.#rows.delete(pk);
  }
}
