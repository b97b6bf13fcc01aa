// @ts-check
/** A periodogram as a drawing: power over period, its peaks, and what a click on it means. */

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 220;
const [NARROW, WIDE] = [260, 1200];
const EDGE = { left: 44, right: 10, top: 10, bottom: 34 };
/** The least distance of two periods that are written. */
const APART = 36;
/** A click this near to a peak means it. */
const NEAR = 14;

/**
 * Draw a periodogram in a place.
 *
 * @param {HTMLElement} place
 * @param {any} found as the server tells it
 * @param {(period: number) => void} chosen is told the period that is clicked on
 */
export function drawPeriodogram(place, found, chosen) {
  const svg = made("svg", { role: "img", class: "periodogram", "aria-label": `Periodogram from ${shownPeriod(found.minimum)} to ${shownPeriod(found.maximum)} days; its highest peaks are listed below` });
  place.replaceChildren(svg); // an empty place has no width
  const scale = scaleOf(found, Math.min(WIDE, Math.max(NARROW, place.clientWidth)));
  svg.setAttribute("viewBox", `0 0 ${scale.width} ${HEIGHT}`);
  svg.append(...axesOf(scale, found));
  if (found.unlikely.power !== null && found.unlikely.power < scale.most) {
    const y = scale.y(found.unlikely.power);
    svg.append(made("line", { class: "unlikely", x1: EDGE.left, x2: scale.width - EDGE.right, y1: y, y2: y }));
  }
  const points = found.periodogram.map(([period, power]) => `${scale.x(period).toFixed(1)},${scale.y(power).toFixed(1)}`);
  svg.append(made("polyline", { class: "power", points: points.join(" ") }));
  for (const { period, power } of found.peaks) {
    svg.append(made("circle", { class: "peak", cx: scale.x(period), cy: scale.y(power), r: 5 }));
  }
  svg.addEventListener("click", (event) => chosen(periodAt(svg, event, found, scale)));
}

/** @param {number} period in days */
export function shownPeriod(period) {
  return String(Number(period.toPrecision(7)));
}

/**
 * @param {any} found
 * @param {number} width
 */
function scaleOf({ minimum, maximum, peaks }, width) {
  const [low, high] = [Math.log(minimum), Math.log(maximum)];
  const most = Math.min(1, Math.max(...peaks.map((/** @type {any} */ { power }) => power)) * 1.08) || 1;
  const across = width - EDGE.left - EDGE.right;
  const along = HEIGHT - EDGE.top - EDGE.bottom;
  return {
    width,
    most,
    x: (/** @type {number} */ period) => EDGE.left + (across * (Math.log(period) - low)) / (high - low),
    y: (/** @type {number} */ power) => EDGE.top + along * (1 - power / most),
  };
}

/**
 * @param {SVGElement} svg
 * @param {MouseEvent} event
 * @param {any} found
 * @param {ReturnType<typeof scaleOf>} scale
 */
function periodAt(svg, event, found, scale) {
  const box = svg.getBoundingClientRect();
  const x = ((event.clientX - box.left) / box.width) * scale.width;
  const distance = (/** @type {number} */ period) => Math.abs(scale.x(period) - x);
  const near = found.peaks.filter((/** @type {any} */ { period }) => distance(period) < NEAR);
  if (near.length) return near.sort((/** @type {any} */ one, /** @type {any} */ other) => distance(one.period) - distance(other.period))[0].period;
  const within = found.periodogram.filter(([period]) => distance(period) < NEAR);
  const from = within.length ? within : [...found.periodogram].sort(([one], [other]) => distance(one) - distance(other)).slice(0, 1);
  return from.reduce((/** @type {number[]} */ best, /** @type {number[]} */ each) => (each[1] > best[1] ? each : best))[0];
}

/**
 * @param {ReturnType<typeof scaleOf>} scale
 * @param {any} found
 */
function* axesOf(scale, { minimum, maximum }) {
  const bottom = HEIGHT - EDGE.bottom;
  yield made("path", { class: "axis", d: `M${EDGE.left} ${EDGE.top}V${bottom}H${scale.width - EDGE.right}` });
  let last = -Infinity;
  for (const period of ticksOf(minimum, maximum)) {
    const x = scale.x(period);
    if (x - last < APART) continue;
    last = x;
    yield made("line", { class: "axis", x1: x, x2: x, y1: bottom, y2: bottom + 4 });
    yield written(String(period), { x, y: bottom + 16, "text-anchor": "middle" });
  }
  yield written("period in days", { x: (EDGE.left + scale.width) / 2, y: HEIGHT - 4, "text-anchor": "middle" });
  for (const share of [0, 0.5, 1]) {
    const power = share * scale.most;
    yield written(String(Math.round(power * 100) / 100), { x: EDGE.left - 6, y: scale.y(power) + 4, "text-anchor": "end" });
  }
}

/**
 * Return round periods within a range: 1, 2 and 5 of each power of ten, or less of them.
 *
 * @param {number} minimum
 * @param {number} maximum
 */
function ticksOf(minimum, maximum) {
  const decades = Math.log10(maximum / minimum);
  const steps = decades > 3 ? [1] : decades > 1 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 8];
  const ticks = [];
  for (let power = Math.floor(Math.log10(minimum)); power <= Math.log10(maximum); power += 1) {
    ticks.push(...steps.map((step) => Number((step * 10 ** power).toPrecision(3))));
  }
  return ticks.filter((tick) => tick >= minimum && tick <= maximum);
}

/**
 * @param {string} text
 * @param {Record<string, string | number>} attributes
 */
function written(text, attributes) {
  const label = made("text", attributes);
  label.textContent = text;
  return label;
}

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 */
function made(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  return element;
}
