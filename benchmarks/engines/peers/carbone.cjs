// Carbone, as its documentation shows: the path of the template for each document.
"use strict";
const { promisify } = require("node:util");
const carbone = require("carbone");
const { run } = require("./harness.cjs");

const render = promisify(carbone.render);
run(async (task) => [(record) => render(task.template, record)]);
