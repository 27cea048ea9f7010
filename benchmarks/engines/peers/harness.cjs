// The loop around a contestant in Node: the same as harness.py.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const readline = require("node:readline");

const answers = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();

async function mark(name, said = {}) {
  process.stdout.write(JSON.stringify({ mark: name, ...said }) + "\n");
  await answers.next();
}

async function* recordsOf(file) {
  let number = 0;
  for await (const line of readline.createInterface({ input: fs.createReadStream(file) })) {
    yield [number++, JSON.parse(line)];
  }
}

function keep(content, number, task) {
  fs.writeFileSync(path.join(task.out, `${number}.${task.format}`), content);
}

async function warmUp(render, records, task) {
  const until = performance.now() + 1000 * task.warm_s;
  for (let at = 0; at < task.warm && performance.now() < until; at++) await render((await records.next()).value[1]);
}

async function timed(render, records, task) {
  const times = [], until = performance.now() + 1000 * task.seconds;
  let number, content;
  for (let next = await records.next(); !next.done; next = await records.next()) {
    const began = performance.now();
    content = await render(next.value[1]);
    times.push((performance.now() - began) / 1000);
    number = next.value[0];
    if ((times.length & (times.length - 1)) === 0) keep(content, number, task);
    if (performance.now() > until) break;
  }
  keep(content, number, task);
  return times;
}

// `prepare(task)` returns [render, close].
async function run(prepare) {
  const task = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
  const records = recordsOf(task.records);
  const [render, close] = await prepare(task);
  await render((await records.next()).value[1]);
  await mark("first");
  await warmUp(render, records, task);
  await mark("begin");
  await mark("end", { times: await timed(render, records, task) });
  if (close) await close();
  process.exit(0);
}

module.exports = { run };
