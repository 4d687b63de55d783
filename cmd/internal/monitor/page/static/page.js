// Follows what changes: the server says that something did, and the page is asked for
// again and put in the place of what is shown. Without this script it is loaded again
// by hand, or by the browser from time to time.
"use strict";
(() => {
  const sign = document.getElementById("live");
  let busy = false, again = false;

  async function renew() {
    if (busy) { again = true; return; }
    busy = true;
    try {
      const answer = await fetch(location.href, {credentials: "omit", cache: "no-store"});
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const id of ["nav", "main"]) {
        const old = document.getElementById(id), made = fresh.getElementById(id);
        if (!old || !made || old.innerHTML === made.innerHTML) continue;
        const typing = document.activeElement, q = typing && typing.id === "q" ? typing : null;
        const text = q && q.value, at = q && q.selectionStart;
        old.replaceWith(document.importNode(made, true));
        const field = q && document.getElementById("q");
        if (field) { field.value = text; field.focus(); field.setSelectionRange(at, at); }
      }
      tick();
    } catch (_) { /* the sign says that nobody answers */ }
    busy = false;
    if (again) { again = false; renew(); }
  }

  // As duration.HumanDuration of k8s.io/apimachinery has it, but for its finer points.
  function words(s) {
    if (s < 120) return s + "s";
    const m = Math.floor(s / 60);
    if (m < 10) return m + "m" + (s % 60 ? s % 60 + "s" : "");
    if (m < 180) return m + "m";
    const h = Math.floor(m / 60);
    if (h < 8) return h + "h" + (m % 60 ? m % 60 + "m" : "");
    if (h < 48) return h + "h";
    return Math.floor(h / 24) + "d";
  }

  function tick() {
    for (const t of document.querySelectorAll("time[datetime]")) {
      const s = Math.round((Date.now() - Date.parse(t.dateTime)) / 1000);
      t.textContent = s < 0 ? "in " + words(-s) : words(s) + " ago";
    }
  }

  function says(text, state) {
    sign.textContent = text;
    sign.className = state;
  }

  const told = new EventSource("/live");
  told.onopen = () => says("live", "on");
  told.onmessage = renew;
  told.onerror = () => says("not live: the daemon does not answer", "off");
  setInterval(tick, 5000);
})();
