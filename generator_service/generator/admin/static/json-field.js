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
  } catch (error) {
    const place = placeOf(error.message, field.value);
    if (!place) return field.dataset.jsonOther;
    return field.dataset.jsonPlace.replace("{line}", place.line).replace("{column}", place.column);
  }
}

// Browsers word it differently: "at line 2 column 5", "at position 17", or "end of JSON input".
function placeOf(message, text) {
  const told = /line (\d+) column (\d+)/.exec(message);
  if (told) return { line: told[1], column: told[2] };
  const position = /position (\d+)/.exec(message);
  const at = position ? Number(position[1]) : /end of/i.test(message) ? text.length : -1;
  if (at < 0) return null;
  const before = text.slice(0, at).split("\n");
  return { line: before.length, column: before.at(-1).length + 1 };
}
