// @ts-check
/** Text as a terminal would show it: colours, and `\r` that goes back to the start of the line. */

/** @typedef {{text: string, classes: string}} Piece */

const ESCAPES = /\x1b(?:\[([0-9;:]*)([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])/g;
const CONTROLS = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/g;

/**
 * Return what stays visible of a line: of a progress bar that rewrites itself, its last state.
 *
 * @param {string} text
 */
export function folded(text) {
  const written = text.replace(/\r+$/, "");
  return written.slice(written.lastIndexOf("\r") + 1);
}

/**
 * Return whether a terminal would have written the next entry over this one, as progress bars do.
 *
 * @param {import("../server/log_feed.js").Entry | undefined} entry
 * @param {import("../server/log_feed.js").Entry | undefined} next
 */
export function isOver(entry, next) {
  if (!entry?.[4] || !next) return false;
  return entry[3].endsWith("\r") || next[3].startsWith("\r");
}

/**
 * Return a line without colours, for copying.
 *
 * @param {string} text
 */
export function plain(text) {
  return folded(text).replace(ESCAPES, "");
}

/**
 * Cut a line into pieces of one style each.
 *
 * @param {string} text
 * @returns {Piece[]}
 */
export function pieces(text) {
  const seen = folded(text);
  if (!seen.includes("\x1b")) return [{ text: visible(seen), classes: "" }];
  /** @type {Piece[]} */
  const found = [];
  let style = new Set();
  let from = 0;
  for (const escape of seen.matchAll(ESCAPES)) {
    append(found, seen.slice(from, escape.index), style);
    if (escape[2] === "m") style = changed(style, escape[1]);
    from = escape.index + escape[0].length;
  }
  append(found, seen.slice(from), style);
  return found;
}

/**
 * @param {Piece[]} found
 * @param {string} text
 * @param {Set<string>} style
 */
function append(found, text, style) {
  if (text) found.push({ text: visible(text), classes: [...style].join(" ") });
}

/** @param {string} text control characters as their pictures */
function visible(text) {
  return text.replace(CONTROLS, (control) => {
    const code = control.charCodeAt(0);
    return String.fromCharCode(code === 0x7f ? 0x2421 : 0x2400 + code);
  });
}

/**
 * Return the style after an SGR sequence (ECMA-48, 8.3.117), as classes of the style sheet.
 *
 * @param {Set<string>} style
 * @param {string} parameters
 */
function changed(style, parameters) {
  let next = new Set(style);
  const codes = parameters.split(/[;:]/).map(Number);
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at];
    if (code === 0) next = new Set();
    else if ([1, 2, 3, 4, 7, 9].includes(code)) next.add(`a${code}`);
    else if (code === 22) next = without(next, /^a[12]$/);
    else if ([23, 24, 27, 29].includes(code)) next.delete(`a${code - 20}`);
    else if (code === 38 || code === 48) {
      const indexed = codes[at + 1] === 5;
      const near = indexed ? nearestOf256(codes[at + 2]) : nearest(codes.slice(at + 2, at + 5));
      next = coloured(next, code - 8 + near);
      at += indexed ? 2 : 4;
    } else next = coloured(next, code);
  }
  return next;
}

/** The values of red, green and blue in xterm's 6 × 6 × 6 colour cube. */
const STEPS = [0, 95, 135, 175, 215, 255];

/**
 * @param {number} index of xterm's 256 colours
 * @returns {number} which of the eight colours it comes nearest to
 */
function nearestOf256(index) {
  if (index < 16) return index % 8;
  if (index >= 232) return index < 244 ? 0 : 7;
  const cube = index - 16;
  return nearest([Math.floor(cube / 36), Math.floor(cube / 6) % 6, cube % 6].map((part) => STEPS[part]));
}

/**
 * Return the nearest of the eight colours. Only they are legible by day and by night.
 *
 * @param {number[]} parts red, green and blue, 0 to 255
 */
function nearest(parts) {
  const most = Math.max(...parts);
  const [red, green, blue] = parts.map((part) => (part > most * 0.6 && most > 64 ? 1 : 0));
  return red + 2 * green + 4 * blue;
}

/**
 * @param {Set<string>} style
 * @param {number} code
 */
function coloured(style, code) {
  const bright = code >= 90 ? 60 : 0;
  const base = code - bright;
  if (base >= 30 && base <= 37) return without(style, /^f/).add(`f${base - 30}`);
  if (base >= 40 && base <= 47) return without(style, /^b/).add(`b${base - 40}`);
  if (code === 39) return without(style, /^f/);
  if (code === 49) return without(style, /^b/);
  return style;
}

/**
 * @param {Set<string>} style
 * @param {RegExp} unwanted
 */
function without(style, unwanted) {
  return new Set([...style].filter((name) => !unwanted.test(name)));
}
