// @ts-check
/** Keeps the focus where it is when what has it is moved: the browser takes it away then. */

/** @param {() => void} move puts elements of the page elsewhere in it */
export function keepFocus(move) {
  const focused = document.activeElement;
  move();
  if (!(focused instanceof HTMLElement) || !focused.isConnected) return;
  if (document.activeElement !== focused) focused.focus({ preventScroll: true });
}
