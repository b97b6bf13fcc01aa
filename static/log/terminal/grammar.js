// @ts-check
/**
 * Cuts a text at its control functions: the grammar of ECMA-48, 5th edition, with the strings ended
 * by BEL that xterm reads. `server/logs/terminal_text.py` has the same for searches.
 */

/**
 * @typedef {object} Token of which one is set
 * @property {string} [text] without controls
 * @property {string} [control] `\r`, `\b`, or a control to show as its symbol
 * @property {string} [osc] what an operating system command says
 * @property {{parameters: string, between: string, final: string}} [sequence] after CSI
 */

const BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069";
const CONTROL = new RegExp(`[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f${BIDI}]`);
/** Those that only show a symbol, wherever they are. */
const SHOWN = new RegExp(`[\\x00-\\x06\\x0b\\x0c\\x0e-\\x17\\x19\\x1c-\\x1f\\x7f${BIDI}]`, "g");
const C1 = /[\x80-\x9f]/g;
/** UTF-8 that was read as Latin-1 and encoded once more. What looks like C1 controls is not. */
const MISREAD = /[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}/g;

/** Every part may be missing, so that no match is tried twice and the time is linear. */
const TOKEN = new RegExp(
  [
    "([^\\x07\\b\\r\\x18\\x1a\\x1b\\x80-\\x9f]+)",
    "(?:\\x1b\\[|\\x9b)([0-?]*)([ -/]*)([@-~\\x18\\x1a]?)",
    "(?:\\x1b([PX\\]^_])|([\\x90\\x98\\x9d-\\x9f]))([^\\x07\\x18\\x1a\\x1b\\x9c]*)(?:[\\x07\\x18\\x1a\\x9c]|\\x1b\\\\)?",
    "\\x1b[ -/]*[0-~]?",
    "([\\x07\\b\\r\\x18\\x1a])",
    "[\\x80-\\x9f]",
  ].join("|"),
  "g",
);

/** @param {string} text */
export function hasControls(text) {
  return CONTROL.test(text);
}

/**
 * @param {string} text
 * @returns {Generator<Token>}
 */
export function* tokens(text) {
  const read = text.replace(MISREAD, (character) => character.replace(C1, named));
  for (const match of read.replace(SHOWN, symbol).matchAll(TOKEN)) {
    const [, plain, parameters, between, final, begin, begin8, string, control] = match;
    if (plain) yield { text: plain };
    else if (final) yield { sequence: { parameters, between, final } };
    else if (begin === "]" || begin8 === "\x9d") yield { osc: string };
    else if (control) yield { control };
  }
}

/**
 * Return what is shown in place of a control.
 *
 * @param {string} control
 */
export function symbol(control) {
  const code = control.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? "\u2421" : named(control);
}

/** @param {string} control */
function named(control) {
  return `⟨U+${control.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`;
}
