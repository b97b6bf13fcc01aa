// @ts-check
/** Which points of a light curve are chosen, and the order in which one follows the other. */

/** @typedef {import("./points.js").Point & {number: number}} Numbered */

export class Chosen {
  /** @type {Numbered[]} in order of time */
  #points = [];
  /** @type {Map<number, Numbered>} */
  #byNumber = new Map();
  /** @type {Set<number>} */
  #numbers = new Set();

  /** @param {() => void} changed is called after each change */
  constructor(changed) {
    this.changed = changed;
  }

  /** @param {import("./points.js").Point[]} points those that there are now */
  take(points) {
    const numbered = /** @type {Numbered[]} */ (points.filter(({ number }) => typeof number === "number"));
    this.#points = [...numbered].sort((one, other) => one.time - other.time || one.number - other.number);
    this.#byNumber = new Map(numbered.map((point) => [point.number, point]));
    this.set(this.numbers);
  }

  /** All points in order of time. */
  get all() {
    return this.#points;
  }

  get numbers() {
    return [...this.#numbers];
  }

  /** The chosen points. */
  get points() {
    return this.numbers.map((number) => /** @type {Numbered} */ (this.#byNumber.get(number)));
  }

  /** @param {number} number */
  has(number) {
    return this.#numbers.has(number);
  }

  /** @param {number[]} numbers those to choose instead; unknown ones are left aside */
  set(numbers) {
    this.#numbers = new Set(numbers.filter((number) => this.#byNumber.has(number)));
    this.changed();
  }

  /**
   * @param {number} number
   * @param {boolean} chosen
   */
  mark(number, chosen) {
    this.set(chosen ? [...this.#numbers, number] : this.numbers.filter((each) => each !== number));
  }

  /** @param {number} steps forward in time, or back; from the ends it goes to the other one */
  step(steps) {
    const count = this.#points.length;
    if (!count) return;
    const last = this.numbers.at(-1);
    const from = this.#points.findIndex(({ number }) => number === last);
    const next = from < 0 ? (steps > 0 ? 0 : count - 1) : (from + steps + count) % count;
    this.set([this.#points[next].number]);
  }
}
