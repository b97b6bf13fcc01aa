// @ts-check
/** Where the target of a frame is in it, and whether the field is centred on it. */

import { separation } from "./picture/sky.js";

/** A field is not centred if its middle is farther away than this part of its shorter side. */
const OFF_CENTRE = 0.25;

/**
 * Return the pixel of a target, how far it is from the middle and in which direction (degrees), and
 * whether it is `inside` and `off` the middle; null if that is unknown.
 *
 * @param {import("./picture/image.js").Picture} picture
 * @param {{ra: number, dec: number, name: string} | null} target
 */
export function targetIn({ sky, facts }, target) {
  if (!target || !sky || !facts) return null;
  const pixel = sky.pixel(target.ra, target.dec);
  const { angle, direction } = separation(facts.wcs.centre, [target.ra, target.dec]);
  const inside = pixel !== null && pixel.x >= -0.5 && pixel.y >= -0.5
    && pixel.x < facts.width - 0.5 && pixel.y < facts.height - 0.5;
  const off = (angle * 3600) / sky.scale > OFF_CENTRE * Math.min(facts.width, facts.height);
  return { pixel, angle, direction, inside, off, name: target.name };
}
