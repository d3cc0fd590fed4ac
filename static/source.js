// The page that gives a failed import another address.

import { watchAddress } from "./upload/address.js";

watchAddress(document.getElementById("source-form"));
