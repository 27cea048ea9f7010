// Chromium with one page for all documents: fastest, and what one document leaves behind the next one finds.
"use strict";
const { launched, print } = require("./browser.cjs");
const { run } = require("./harness.cjs");

run(async () => {
  const browser = await launched();
  const page = await browser.newPage();
  return [(html) => print(page, html), () => browser.close()];
});
