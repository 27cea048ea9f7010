// Chromium with a new context for each document, as services do that render for many.
"use strict";
const { launched, print } = require("./browser.cjs");
const { run } = require("./harness.cjs");

run(async () => {
  const browser = await launched();
  const render = async (html) => {
    const context = await browser.newContext();
    try {
      return await print(await context.newPage(), html);
    } finally {
      await context.close();
    }
  };
  return [render, () => browser.close()];
});
