// @ts-check
/**
 * What rows take beyond the height of one line, where long lines are wrapped. It is known of those
 * that have been drawn; others count as one line until then.
 */

const BLOCK_ROWS = 512;

export class Heights {
  /** The sum over all rows, in pixels. */
  total = 0;
  /** @type {Map<number, number>} by row */
  #extra = new Map();
  /** @type {Map<number, number>} sums of blocks of rows, so that a million rows are quickly added */
  #sums = new Map();

  /**
   * @param {number} row
   * @param {number} extra pixels
   */
  set(row, extra) {
    const more = extra - this.of(row);
    if (!more) return;
    this.#extra.set(row, extra);
    this.#sums.set(blockOf(row), (this.#sums.get(blockOf(row)) ?? 0) + more);
    this.total += more;
  }

  /** @param {number} row */
  of(row) {
    return this.#extra.get(row) ?? 0;
  }

  /** @param {number} row what those before it take */
  before(row) {
    if (!this.total) return 0;
    const own = blockOf(row);
    let sum = 0;
    for (const [block, extra] of this.#sums) if (block < own) sum += extra;
    for (let each = own * BLOCK_ROWS; each < row; each++) sum += this.of(each);
    return sum;
  }

  /** Forget all: other rows are shown, or their width has changed. */
  clear() {
    this.total = 0;
    this.#extra.clear();
    this.#sums.clear();
  }
}

/** @param {number} row */
function blockOf(row) {
  return Math.floor(row / BLOCK_ROWS);
}
