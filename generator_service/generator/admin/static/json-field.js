// A text area that holds JSON (data-json): says while one types whether it is, and where not; a button formats it.
// The server checks again: without this script the form works the same.
"use strict";

for (const field of document.querySelectorAll("textarea[data-json]")) {
  let waiting = 0;
  field.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => show(field), 300);
  });
}

for (const button of document.querySelectorAll("[data-format-json]")) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const field = document.getElementById(button.dataset.formatJson);
    if (!show(field)) return field.focus();
    field.value = JSON.stringify(JSON.parse(field.value), null, 2);
  });
}

function show(field) {
  const flaw = flawOf(field);
  field.setCustomValidity(flaw);
  field.toggleAttribute("aria-invalid", false);
  if (flaw) field.setAttribute("aria-invalid", "true");
  document.getElementById(`${field.id}-flaw`).textContent = flaw;
  return !flaw;
}

function flawOf(field) {
  try {
    const value = JSON.parse(field.value);
    return value !== null && typeof value === "object" && !Array.isArray(value) ? "" : field.dataset.jsonObject;
  } catch {
    const before = field.value.slice(0, failsAt(field.value)).split("\n");
    const place = { line: before.length, column: before.at(-1).length + 1 };
    return field.dataset.jsonPlace.replace(/{(line|column)}/g, (_, name) => place[name]);
  }
}

// ---- where JSON goes wrong: browsers word it in many ways and some tell no place, so the text is walked (RFC 8259)

const SPACE = /[ \t\r\n]*/y;
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const SCALAR = new RegExp(`${STRING.source}|-?(?:0|[1-9]\\d*)(?:\\.\\d+)?(?:[eE][+-]?\\d+)?|true|false|null`, "y");

function endOf(pattern, text, at) {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : -1;
}

// Returns the index of the first token that cannot stand where it does.
function failsAt(text) {
  const open = [];
  let at = 0;
  let want = "value";
  for (;;) {
    at = endOf(SPACE, text, at);
    const char = text[at];
    const closing = { "{": "}", "[": "]" }[open.at(-1)];
    if (closing && char === closing && want !== "value" && want !== "key") {
      open.pop();
      at += 1;
      want = "next";
    } else if (want === "next") {
      if (!closing || char !== ",") return at;
      at += 1;
      want = closing === "}" ? "key" : "value";
    } else if (want.endsWith("key")) {
      const end = endOf(STRING, text, at);
      if (end < 0) return at;
      at = endOf(SPACE, text, end);
      if (text[at] !== ":") return at;
      at += 1;
      want = "value";
    } else if (char === "{" || char === "[") {
      open.push(char);
      at += 1;
      want = char === "{" ? "first key" : "first value";
    } else {
      const end = endOf(SCALAR, text, at);
      if (end < 0) return at;
      at = end;
      want = "next";
    }
  }
}
