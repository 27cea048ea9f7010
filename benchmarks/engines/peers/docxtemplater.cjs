// docxtemplater, as its documentation shows: the template's bytes unzipped for each document.
"use strict";
const fs = require("node:fs");
const Docxtemplater = require("docxtemplater");
const PizZip = require("pizzip");
const { run } = require("./harness.cjs");

// The parser that comes with it knows no dots.
const parser = (tag) => ({
  get: (scope) => (tag === "." ? scope : tag.split(".").reduce((value, name) => value && value[name], scope)),
});

run(async (task) => {
  const template = fs.readFileSync(task.template);
  return [(record) => {
    const document = new Docxtemplater(new PizZip(template), { paragraphLoop: true, linebreaks: true, parser });
    document.render(record);
    return document.getZip().generate({ type: "nodebuffer", compression: "DEFLATE" });
  }];
});
