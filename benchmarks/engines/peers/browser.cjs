// Chromium, as both contestants start it.
"use strict";
const { chromium } = require("playwright-core");

const ARGUMENTS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

const launched = () => chromium.launch({ executablePath: process.env.CHROMIUM, headless: true, args: ARGUMENTS });

async function print(page, html) {
  await page.setContent(html, { waitUntil: "load" });
  return page.pdf({ preferCSSPageSize: true, printBackground: true });
}

module.exports = { launched, print };
