// @ts-check
/** The page of a receipt: as it is now, also after the end, when its log may be deleted. */

import { part } from "../draw/find.js";
import { updateRegion } from "../draw/region/morph.js";
import { keepTimes } from "../draw/times.js";
import { getPage } from "../server/api.js";
import { follow } from "./followed.js";

const { now, pk, target } = part("#receipt").dataset;

keepTimes(Number(now));
follow(`/api/processes/${pk}/receipt/`, [Number(target)], ["processes"], async () => {
  updateRegion("receipt", await getPage(location.pathname));
});
