// @ts-check
/** Ranges of lines in the address: `#L120` and `#L120-L140`. */

/** @typedef {{first: number, last: number}} Range */

/**
 * @param {string} hash
 * @returns {Range | null}
 */
export function parseRange(hash) {
  const match = /^#L(\d{1,15})(?:-L?(\d{1,15}))?$/.exec(hash);
  if (!match) return null;
  return rangeOf(Number(match[1]), Number(match[2] ?? match[1]));
}

/** @param {Range | null} range */
export function formatRange(range) {
  if (!range) return "";
  return range.first === range.last ? `#L${range.first}` : `#L${range.first}-L${range.last}`;
}

/**
 * @param {number} one
 * @param {number} other
 * @returns {Range}
 */
export function rangeOf(one, other) {
  return { first: Math.max(1, Math.min(one, other)), last: Math.max(1, one, other) };
}

/**
 * @param {Range | null} range
 * @param {number} first
 * @param {number} last
 */
export function overlaps(range, first, last) {
  return range !== null && last >= range.first && first <= range.last;
}
