// @ts-check
/** Copies lines of a log: the text alone, without numbers and times. */

/** @param {string} text */
export async function copyText(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  copyByCommand(text);
}

/**
 * Copy where the browser has no `clipboard`: it has one for pages from a secure origin only.
 *
 * @param {string} text
 */
function copyByCommand(text) {
  const area = document.createElement("textarea");
  area.className = "unseen";
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}
