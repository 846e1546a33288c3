"use strict";
// Filters the errors. Its state stands in the fragment, so a link such as #kind=missed&q=london opens the page filtered.
(() => {
  const form = document.getElementById("filters");
  if (!form) return;
  const list = document.getElementById("error-list");
  const rows = [...list.children];
  const status = document.getElementById("error-status");
  const more = document.getElementById("error-more");
  const STEP = 25;
  const names = [...form.elements].map((field) => field.name).filter(Boolean);
  const choices = names.filter((name) => name !== "q" && name !== "order");
  let limit = STEP;

  const texts = new Map();
  const textOf = (row) => {
    if (!texts.has(row)) {
      const parts = [...row.querySelectorAll("[data-text]")].map((part) => part.textContent); // not our own words
      texts.set(row, parts.join(" ").replace(/\s+/g, " ").toLocaleLowerCase());
    }
    return texts.get(row);
  };

  const matches = (row) =>
    choices.every((name) => !form.elements[name].value || row.dataset[name] === form.elements[name].value) && textOf(row).includes(form.elements.q.value.trim().replace(/\s+/g, " ").toLocaleLowerCase());

  const ordered = () => {
    const order = form.elements.order ? form.elements.order.value : "";
    if (!order) return rows;
    const sign = order === "sure" ? -1 : 1;
    const confidence = (row) => (row.dataset.confidence === undefined ? -1 : Number(row.dataset.confidence));
    return [...rows].sort((one, other) => sign * (confidence(one) - confidence(other)));
  };

  const show = () => {
    const all = ordered();
    if (all.some((row, index) => row !== list.children[index])) list.append(...all);
    const found = all.filter(matches);
    for (const row of rows) row.hidden = true;
    for (const row of found.slice(0, limit)) row.hidden = false;
    const shown = Math.min(limit, found.length);
    status.textContent = found.length
      ? `${shown.toLocaleString("en")} of ${found.length.toLocaleString("en")} matching shown`
      : "Nothing matches: change or clear the filters.";
    more.hidden = shown === found.length;
  };

  const read = () => {
    const state = new URLSearchParams(location.hash.slice(1));
    if (!names.some((name) => state.has(name))) return false;
    for (const name of names) {
      const value = state.get(name) || "";
      const field = form.elements[name];
      field.value = value;
      if (field.value !== value) field.value = ""; // a choice that this page does not have
    }
    return true;
  };

  const write = () => {
    const state = new URLSearchParams();
    for (const name of names) if (form.elements[name].value) state.set(name, form.elements[name].value);
    const fragment = state.toString();
    history.replaceState(null, "", fragment ? `#${fragment}` : "#errors");
  };

  const restart = () => {
    limit = STEP;
    show();
  };
  form.addEventListener("input", () => { restart(); write(); });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => { restart(); write(); }));
  more.addEventListener("click", (event) => {
    limit = event.target.value === "all" ? Infinity : limit + STEP;
    const first = rows.filter((row) => !row.hidden).length;
    show();
    const next = [...list.children].filter((row) => !row.hidden)[first];
    if (next) { next.tabIndex = -1; next.focus(); }
  });
  const follow = () => {
    if (!read()) return;
    restart();
    document.getElementById("errors").scrollIntoView();
  };
  addEventListener("hashchange", follow);
  form.hidden = false;
  restart();
  follow();
})();

// Tables that fit need no stop for the Tab key; those that do not are scrolled with the arrow keys.
(() => {
  const regions = [...document.querySelectorAll(".wide")];
  const mark = () => {
    for (const region of regions) {
      if (region.scrollWidth > region.clientWidth) region.tabIndex = 0;
      else region.removeAttribute("tabindex");
    }
  };
  addEventListener("resize", mark);
  for (const details of document.querySelectorAll("details")) details.addEventListener("toggle", mark);
  mark();
})();
