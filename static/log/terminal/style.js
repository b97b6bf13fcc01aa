// @ts-check
/**
 * Styles of text (SGR, ECMA-48, 8.3.117) as numbers: a bit for each attribute, by its code, and two
 * colours. 0 is plain. Colours become the nearest of eight: only they are legible by day and night.
 */

const FOREGROUND = 10;
const BACKGROUND = 14;
const FIELD = 15;
const INVERSE = 7;
const ATTRIBUTES = [1, 2, 3, 4, 9];
/** The values of red, green and blue in xterm's 6 × 6 × 6 colour cube. */
const STEPS = [0, 95, 135, 175, 215, 255];

/**
 * Return the style after a sequence, given its parameters.
 *
 * @param {number} style
 * @param {string} parameters separated by `;`, and their parts by `:`
 */
export function restyled(style, parameters) {
  const items = parameters.split(";");
  let next = style;
  for (let at = 0; at < items.length; at++) {
    const parts = items[at].split(":").map(Number);
    if ([38, 48, 58].includes(parts[0]) && parts.length === 1) {
      const length = { 2: 5, 5: 3 }[items[at + 1]] ?? 2;
      parts.push(...items.slice(at + 1, at + length).map(Number));
      at += length - 1;
    }
    next = parts.length > 1 ? ofParts(next, parts) : ofCode(next, parts[0]);
  }
  return next;
}

/**
 * Return a style as classes of the style sheet.
 *
 * @param {number} style
 */
export function classesOf(style) {
  let [text, ground] = [field(style, FOREGROUND), field(style, BACKGROUND)];
  const names = ATTRIBUTES.filter((code) => style & (1 << code)).map((code) => `a${code}`);
  if (style & (1 << INVERSE)) {
    [text, ground] = [ground, text];
    if (!text && !ground) names.push("a7");
  }
  if (text) names.push(`f${text - 1}`);
  if (ground) names.push(`b${ground - 1}`);
  return names.join(" ");
}

/**
 * @param {number} style
 * @param {number} code
 */
function ofCode(style, code) {
  if (code === 0) return 0;
  if (code === INVERSE || ATTRIBUTES.includes(code)) return style | (1 << code);
  if (code === 21) return style | (1 << 4); // underlined twice
  if (code === 22) return style & ~0b110;
  if ([23, 24, 27, 29].includes(code)) return style & ~(1 << (code - 20));
  const base = code >= 90 ? code - 60 : code;
  if (base >= 30 && base <= 37) return coloured(style, FOREGROUND, base - 29);
  if (base >= 40 && base <= 47) return coloured(style, BACKGROUND, base - 39);
  if (code === 39) return coloured(style, FOREGROUND, 0);
  if (code === 49) return coloured(style, BACKGROUND, 0);
  return style;
}

/**
 * @param {number} style
 * @param {number[]} parts a colour of many, or a kind of underline
 */
function ofParts(style, [code, kind, ...values]) {
  if (code === 4) return kind ? style | (1 << 4) : style & ~(1 << 4);
  if (code !== 38 && code !== 48) return style;
  const colour = kind === 5 ? nearestOf256(values[0]) : nearest(values.slice(values.length > 3 ? 1 : 0).slice(0, 3));
  const known = (kind === 5 && values.length > 0) || (kind === 2 && values.length >= 3);
  return known ? coloured(style, code === 38 ? FOREGROUND : BACKGROUND, colour + 1) : style;
}

/**
 * @param {number} style
 * @param {number} at where its field is
 * @param {number} colour 1 to 8, or 0 for none
 */
function coloured(style, at, colour) {
  return (style & ~(FIELD << at)) | (colour << at);
}

/**
 * @param {number} style
 * @param {number} at
 */
function field(style, at) {
  return (style >> at) & FIELD;
}

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

/** @param {number[]} parts red, green and blue, 0 to 255 */
function nearest(parts) {
  const most = Math.max(...parts);
  const [red, green, blue] = parts.map((part) => (part > most * 0.6 && most > 64 ? 1 : 0));
  return red + 2 * green + 4 * blue;
}
