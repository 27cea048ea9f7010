// easy-template-x, as its documentation shows: one handler, the template's bytes for each document.
"use strict";
const fs = require("node:fs");
const { TemplateHandler } = require("easy-template-x");
const { run } = require("./harness.cjs");

// Its names have no dots and its loops want objects.
const flat = (record, name) =>
  Object.fromEntries(Object.entries(record[name]).map(([key, value]) => [`${name}.${key}`, value]));
const objects = (section) => ({ ...section, paras: section.paras.map((text) => ({ text })) });
const adapted = (record) => (record.sections
  ? { ...record, sections: record.sections.map(objects) }
  : { ...record, ...flat(record, "seller"), ...flat(record, "buyer") });

run(async (task) => {
  const template = fs.readFileSync(task.template);
  const handler = new TemplateHandler();
  return [(record) => handler.process(template, adapted(record))];
});
