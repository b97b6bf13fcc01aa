// @ts-check
/** Copies text, also where the browser has no `clipboard`: it has one on pages from a secure origin only. */

/**
 * @param {string} text
 * @returns {Promise<void>}
 * @throws {Error} with a sentence, where the browser lets nothing be copied
 */
export async function copyText(text) {
  try {
    if (navigator.clipboard) return await navigator.clipboard.writeText(text);
  } catch {
    // The reader has forbidden it, or the window has lost the focus: the old way may still work.
  }
  if (!copyByCommand(text)) throw new Error("The browser does not let this page copy.");
}

/**
 * @param {string} text
 * @returns {boolean} whether it was copied
 */
function copyByCommand(text) {
  const focused = document.activeElement;
  const area = document.createElement("textarea");
  area.className = "unseen";
  area.value = text;
  area.readOnly = true; // so that phones show no keyboard
  // What is outside of an open dialog cannot be selected.
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (focused instanceof HTMLElement) focused.focus({ preventScroll: true });
  return copied;
}
