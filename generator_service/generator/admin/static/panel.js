// The panel's own script: confirmation dialogs, copying, times that stay true, messages. Everything works without it,
// but for the live parts. No inline handlers: the Content-Security-Policy allows none.
"use strict";

const body = document.body;

// ---- every request of htmx carries the CSRF token; a refusal is shown in the corner

document.addEventListener("htmx:config:request", (event) => {
  event.detail.ctx.request.headers["X-CSRF-Token"] = body.dataset.csrf || "";
});

document.addEventListener("htmx:before:swap", (event) => {
  const status = event.detail.ctx?.response?.status ?? 200;
  if (status < 400) return;
  event.preventDefault();
  toast(event.detail.ctx.text);
});

document.addEventListener("htmx:error", () => toast(null));

function toast(html) {
  const box = document.getElementById("toasts");
  if (!box) return;
  const note = document.createElement("div");
  if (html) note.innerHTML = html;
  else {
    note.className = "notice bad";
    note.textContent = body.dataset.away;
  }
  box.replaceChildren(note);
  setTimeout(() => note.remove(), 8000);
}

// ---- confirmation

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset.confirm || form.dataset.confirmed) return;
  event.preventDefault();
  confirmed(form.dataset.confirm).then((yes) => {
    if (!yes) return;
    form.dataset.confirmed = "yes";
    form.requestSubmit(event.submitter ?? undefined);
  });
});

function confirmed(question) {
  const dialog = document.createElement("dialog");
  const inside = dialog.appendChild(element("div", "inside"));
  inside.appendChild(element("p", "", question));
  const actions = inside.appendChild(element("div", "actions"));
  const no = actions.appendChild(element("button", "button", body.dataset.cancel));
  const yes = actions.appendChild(element("button", "button primary", body.dataset.proceed));
  body.appendChild(dialog);
  return new Promise((resolve) => {
    no.onclick = () => dialog.close();
    yes.onclick = () => dialog.close("yes");
    dialog.onclose = () => {
      resolve(dialog.returnValue === "yes");
      dialog.remove();
    };
    dialog.showModal();
  });
}

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

// ---- copying

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copy-from]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy ?? document.querySelector(button.dataset.copyFrom).textContent);
  const note = element("div", "notice good", body.dataset.copied);
  document.getElementById("toasts")?.replaceChildren(note);
  setTimeout(() => note.remove(), 1500);
});

// ---- filters: a choice takes effect at once

document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-auto]");
  if (form && event.target.matches("select")) form.requestSubmit();
});

// ---- searches that htmx answers stand in the address, so that a reload and a link show the same

document.addEventListener("htmx:after:swap", (event) => {
  const form = event.detail.ctx?.sourceElement?.closest?.("form[data-address]");
  if (!form) return;
  const filled = [...new FormData(form)].filter(([, value]) => value);
  const query = new URLSearchParams(filled).toString();
  history.replaceState(null, "", form.action + (query && `?${query}`));
});

// ---- times: "3 minutes ago" goes on counting

const relative = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto" });
const units = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

function words(seconds) {
  const [unit, size] = units.find(([, size]) => Math.abs(seconds) >= size * 1.5) ?? units[3];
  return relative.format(Math.round(seconds / size), unit);
}

function refreshTimes() {
  for (const time of document.querySelectorAll("time[datetime]:not([data-fixed])")) {
    const seconds = (Date.parse(time.dateTime) - Date.now()) / 1000;
    if (!Number.isNaN(seconds)) time.textContent = (seconds <= 0 && time.dataset.over) || words(seconds);
  }
}
setInterval(refreshTimes, 5000);

// ---- the live parts say whether they are live

for (const [name, off] of [["htmx:sse:after:message", false], ["htmx:sse:error", true], ["htmx:sse:close", true]]) {
  document.addEventListener(name, () => {
    for (const mark of document.querySelectorAll(".live")) mark.classList.toggle("off", off);
  });
}
