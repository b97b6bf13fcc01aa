// @ts-check
/** Names of files as they break into lines: after their separators. */

/**
 * @param {Element} place
 * @param {string} name
 */
export function setName(place, name) {
  if (place.textContent?.trim() === name) return;
  const pieces = name.split(/(?<=[_.-])(?=[^_.-])/);
  const nodes = pieces.flatMap((piece, index) => (index ? [document.createElement("wbr"), piece] : [piece]));
  place.replaceChildren(...nodes);
}
