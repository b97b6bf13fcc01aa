// @ts-check
/** Hands on the screen: drag, wheel, pinch and arrow keys, told as what they mean. */

const WHEEL_RATE = 0.0016;
const ARROW_PIXELS = 60;
/** Lines and pages that some wheels count in, as pixels. */
const UNITS = [1, 16, 400];
/** A press that moves less than this is no drag. */
const STILL_PIXELS = 3;

/**
 * @typedef {{
 *   pan: (right: number, down: number) => void,
 *   zoom: (factor: number, right: number, down: number) => void,
 *   contrast: (right: number, down: number) => void,
 *   point: (right: number, down: number) => void,
 *   away: () => void,
 *   contrasting: () => boolean,
 * }} Meaning
 */

/**
 * @param {HTMLElement} screen
 * @param {Meaning} meaning
 */
export function listen(screen, meaning) {
  /** @type {Map<number, {right: number, down: number}>} fingers, or the mouse while it is pressed */
  const pressed = new Map();
  let contrast = false;
  let moved = 0;

  screen.addEventListener("pointerdown", (event) => {
    if (event.target instanceof Element && event.target.closest("button, a")) return;
    screen.setPointerCapture(event.pointerId);
    pressed.set(event.pointerId, placeOf(screen, event));
    contrast = pressed.size === 1 && (event.button === 2 || event.shiftKey || meaning.contrasting());
    moved = 0;
    screen.focus({ preventScroll: true });
  });
  screen.addEventListener("pointermove", (event) => {
    const to = placeOf(screen, event);
    if (event.pointerType === "mouse" || pressed.size === 1) meaning.point(to.right, to.down);
    const from = pressed.get(event.pointerId);
    if (!from) return;
    moved += Math.hypot(to.right - from.right, to.down - from.down);
    if (pressed.size === 2) pinch(pressed, event.pointerId, to, meaning);
    else if (contrast && moved > STILL_PIXELS) meaning.contrast(to.right - from.right, to.down - from.down);
    else if (!contrast) meaning.pan(to.right - from.right, to.down - from.down);
    pressed.set(event.pointerId, to);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    screen.addEventListener(end, (event) => pressed.delete(/** @type {PointerEvent} */ (event).pointerId));
  }
  screen.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse" && !pressed.size) meaning.away();
  });
  screen.addEventListener("contextmenu", (event) => event.preventDefault());
  screen.addEventListener("wheel", (event) => {
    event.preventDefault();
    const { right, down } = placeOf(screen, event);
    meaning.zoom(Math.exp(-event.deltaY * UNITS[event.deltaMode] * WHEEL_RATE * (event.ctrlKey ? 4 : 1)), right, down);
    meaning.point(right, down);
  }, { passive: false });
  screen.addEventListener("keydown", (event) => arrows(event, meaning));
}

/**
 * @param {KeyboardEvent} event
 * @param {Meaning} meaning
 */
function arrows(event, meaning) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  /** @type {Record<string, [number, number]>} */
  const steps = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  const step = steps[event.key];
  if (!step) return;
  event.preventDefault();
  const pixels = event.shiftKey ? ARROW_PIXELS * 5 : ARROW_PIXELS;
  meaning.pan(step[0] * pixels, step[1] * pixels);
  meaning.away();
}

/**
 * @param {Map<number, {right: number, down: number}>} pressed
 * @param {number} moving the finger that has moved
 * @param {{right: number, down: number}} to
 * @param {Meaning} meaning
 */
function pinch(pressed, moving, to, meaning) {
  const from = pressed.get(moving);
  const other = [...pressed].find(([finger]) => finger !== moving)?.[1];
  if (!from || !other) return;
  const [before, after] = [from, to].map((place) => Math.hypot(place.right - other.right, place.down - other.down));
  const middle = { right: (to.right + other.right) / 2, down: (to.down + other.down) / 2 };
  meaning.pan((to.right - from.right) / 2, (to.down - from.down) / 2);
  if (before && after) meaning.zoom(after / before, middle.right, middle.down);
}

/**
 * @param {HTMLElement} screen
 * @param {MouseEvent} event
 */
function placeOf(screen, event) {
  const box = screen.getBoundingClientRect();
  return { right: event.clientX - box.left, down: event.clientY - box.top };
}
