// @ts-check
/** The sky of the target: fetched once the page is there, drawn in a part that is folded at first. */

import { part, slot } from "../../draw/find.js";
import { tableOf } from "../../draw/product/table.js";
import { SkyChart } from "../../draw/target/sky_chart.js";
import { clockOf, eventsOf, headline, hoursOf, nameOfClock, notesOn, utc } from "../../draw/target/sky_words.js";
import { now, setText } from "../../draw/times.js";
import { ApiError, pollAnswer } from "../../server/api.js";
import { subscribe } from "../../server/changes.js";

/** @typedef {import("../../draw/target/sky_words.js").Night} Night */

/** How often the line of the present time moves. */
const NOW_MS = 20_000;
/** Where no websocket tells of changes, it is not asked for more often. */
const APART_MS = 20_000;
const CONFLICT = 409;

/**
 * Show the sky of a target, and keep it right.
 *
 * @param {number} target
 */
export function watchSky(target) {
  const section = part("#sky");
  const chart = new SkyChart(slot("chart", section));
  /** @type {Night | null} */
  let shown = null;
  /** The night that is asked for, empty for tonight. */
  let wanted = "";
  let version = "";
  let asked = 0;

  const refresh = async () => {
    const number = ++asked;
    try {
      const answer = await pollAnswer(`/api/targets/${target}/sky/${wanted ? `?night=${wanted}` : ""}`);
      if (number !== asked) return; // another night has been asked for meanwhile
      section.hidden = false;
      if (answer.version === version) return;
      version = answer.version;
      shown = answer.body;
      draw(section, chart, answer.body, wanted);
    } catch (error) {
      if (!(error instanceof ApiError) || number !== asked) throw error;
      section.hidden = error.status === CONFLICT; // it has no coordinates any more
      if (error.status === CONFLICT) return;
      if (error.status < 500) setText(slot("headline", section), error.message);
      throw error;
    }
  };
  const show = (/** @type {string} */ night) => {
    wanted = night;
    refresh().catch((error) => error instanceof ApiError || reportError(error));
  };

  subscribe(target, refresh, { kinds: ["target"], apartMs: APART_MS });
  section.addEventListener("click", (event) => {
    const button = /** @type {Element} */ (event.target).closest("button[data-nights]");
    if (!(button instanceof HTMLElement) || !shown) return;
    const days = Number(button.dataset.nights);
    show(days ? dayAfter(shown.night, days) : "");
  });
  setInterval(() => {
    if (!shown) return;
    if (!wanted && now() >= shown.end) show("");
    else chart.moveNow(now());
  }, NOW_MS);
}

/**
 * @param {HTMLElement} section
 * @param {SkyChart} chart
 * @param {Night} night
 * @param {string} wanted
 */
function draw(section, chart, night, wanted) {
  const name = part("h1").textContent ?? "";
  const clock = clockOf(night.site);
  const place = night.site.name ? ` over ${night.site.name}` : "";
  setText(part("#sky-title"), wanted ? "The sky" : "The sky tonight");
  setText(slot("headline", section), headline(night));
  setText(slot("night", section), `The night of ${night.night}${place}`);
  part('[data-nights="0"]', section).hidden = !wanted;
  chart.show(night, now());
  setText(slot("target", section), name);
  setText(slot("notes", section), notesOn(night, name));
  const local = nameOfClock(night.site);
  const events = eventsOf(night, name).map(([time, words]) => [utc(time), clock(time), words]);
  slot("events", section).replaceChildren(tableOf(["UTC", local, "what"], events));
  const columns = ["UTC", local, "altitude °", "airmass", "Sun °", "Moon °", "Moon away °"];
  slot("hours", section).replaceChildren(tableOf(columns, hoursOf(night, clock)));
}

/**
 * @param {string} date
 * @param {number} days
 */
function dayAfter(date, days) {
  return new Date(Date.parse(`${date}T00:00Z`) + days * 86_400_000).toISOString().slice(0, 10);
}
