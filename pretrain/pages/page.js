"use strict";
// Filters, permanent links and pictures that play. Without this script a page is a plain list whose links work.
const items = [...document.querySelectorAll(".item")], form = document.querySelector(".filter");
const KEYS = ["task", "level", "outcome"];

function counted(list, key) {
  const counts = new Map();
  for (const item of list) counts.set(item.dataset[key], (counts.get(item.dataset[key]) || 0) + 1);
  return counts;
}

const chosen = {}, selects = {};
const matches = (item, keys) => keys.every(key => !chosen[key] || item.dataset[key] === chosen[key]);

function option(value, words, selected) {
  const made = document.createElement("option");
  made.value = value; made.textContent = words; made.selected = selected;
  return made;
}

function show() {
  let seen = 0;
  for (const item of items) seen += !(item.hidden = !matches(item, KEYS));
  for (const [key, select] of Object.entries(selects)) {
    const rest = items.filter(item => matches(item, KEYS.filter(other => other !== key)));
    const counts = counted(rest, key), names = [...counted(items, key).keys()];
    select.replaceChildren(option("", `all ${key}s (${rest.length})`, !chosen[key]),
      ...names.map(name => option(name, `${name} (${counts.get(name) || 0})`, chosen[key] === name)));
  }
  const shown = items.filter(item => !item.hidden);
  const outcomes = [...counted(shown, "outcome")].map(([name, count]) => `${count} ${name}`).join(", ");
  form.querySelector("output").textContent = `${seen} of ${items.length}` + (outcomes && ": " + outcomes);
}

function follow() {
  const hash = decodeURIComponent(location.hash.slice(1)), named = document.getElementById(hash);
  const asked = new URLSearchParams(named ? "" : hash);
  for (const key of KEYS) chosen[key] = asked.get(key) || "";
  if (form) show();
  if (named && named.classList.contains("item")) {
    for (const part of named.querySelectorAll("details")) part.open = true;
    named.scrollIntoView({ block: "center" });
  } else if (form && KEYS.some(key => chosen[key])) form.scrollIntoView();
}

function choose() {
  const asked = new URLSearchParams();
  for (const [key, select] of Object.entries(selects)) if (select.value) asked.set(key, select.value);
  history.replaceState(null, "", asked.size ? "#" + asked : location.pathname + location.search);
  for (const key of KEYS) chosen[key] = asked.get(key) || "";
  show();
}

if (form && items.length) {
  for (const key of KEYS) {
    if (counted(items, key).size < 2) continue;
    selects[key] = document.createElement("select");
    selects[key].name = key; selects[key].onchange = choose; selects[key].setAttribute("aria-label", key);
    form.insertBefore(selects[key], form.querySelector("output"));
  }
  form.hidden = false;
}
addEventListener("hashchange", follow);
follow();

// Pictures of an episode's steps lie side by side in one file: to play is to show one after the other.
let playing = null;

function stop() {
  if (playing) { clearInterval(playing.timer); playing.strip.querySelector("span").textContent = "▶"; }
  playing = null;
}

function film(strip) {
  const video = document.createElement("video");
  Object.assign(video, { src: strip.href, controls: true, autoplay: true, muted: true, loop: true, playsInline: true });
  strip.replaceWith(video);
}

function play(strip) {
  if (playing && playing.strip === strip) return stop();
  stop();
  if ("film" in strip.dataset) return film(strip);
  const style = strip.style, count = Number(style.getPropertyValue("--n"));
  let place = -1;
  const next = () => {
    place = (place + 1) % count;
    style.setProperty("--i", place);
    strip.querySelector("span").textContent = `${place + 1}/${count}`;
  };
  next();
  playing = { strip, timer: setInterval(next, Number(strip.dataset.ms)) };
}

document.addEventListener("click", event => {
  const strip = event.target.closest(".strip");
  if (!strip || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  play(strip);
});

// A page of a run says when it was written; where the next one is long overdue, the run was killed.
const live = document.querySelector("[data-written]");
function look() {
  const age = Date.now() / 1000 - Number(live.dataset.written);
  live.querySelector(".late").hidden = age < Number(live.dataset.patience);
}
if (live) { look(); setInterval(look, 5000); }
