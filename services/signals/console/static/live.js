// Orders as they come: the stream says that something changed, the page fetches its part again.
// New rows slide in once and stay marked until they have been on the screen for a while.
// Without this file the page is as it was when it was loaded.
(() => {
  const live = document.getElementById("live"), news = document.getElementById("news");
  const state = document.getElementById("live-state");
  if (!live || !live.dataset.stream || !window.EventSource) return;
  const SEEN_MS = 4000, title = document.title, unseen = new Set();
  let counter = live.dataset.counter, busy = false, again = false;

  const rows = () => [...live.querySelectorAll("[data-key]")];
  const say = text => { if (state) state.textContent = text; };
  const mark = () => {
    document.title = unseen.size ? `(${unseen.size}) ${title}` : title;
    for (const row of rows()) row.classList.toggle("news", unseen.has(row.dataset.key));
  };

  const watcher = new IntersectionObserver(entries => {
    for (const { target, isIntersecting } of entries) {
      clearTimeout(target.seen);
      if (isIntersecting) target.seen = setTimeout(() => {
        if (document.hidden) return;
        unseen.delete(target.dataset.key);
        mark();
      }, SEEN_MS);
    }
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) watch(); });
  const watch = () => {
    watcher.disconnect();
    for (const row of rows()) if (unseen.has(row.dataset.key)) watcher.observe(row);
  };

  async function refresh() {
    if (busy) { again = true; return; }
    busy = true;
    try {
      const answer = await fetch(live.dataset.part, { headers: { "HX-Request": "true" } });
      if (answer.ok) {
        const known = new Set(rows().map(row => row.dataset.key));
        const focused = document.activeElement?.closest?.("[data-key]")?.dataset.key;
        live.innerHTML = await answer.text();
        const fresh = rows().filter(row => !known.has(row.dataset.key));
        for (const row of fresh) { unseen.add(row.dataset.key); row.classList.add("slide"); }
        const kept = focused && rows().find(row => row.dataset.key === focused);
        if (kept) kept.querySelector("a")?.focus({ preventScroll: true });
        if (fresh.length && news) news.textContent = fresh.length === 1
          ? `New: ${fresh[0].innerText.replace(/\s+/g, " ")}`
          : `${fresh.length} new orders`;
        mark();
        watch();
      }
    } finally {
      busy = false;
      if (again) { again = false; setTimeout(refresh, 500); }
    }
  }

  const stream = new EventSource(live.dataset.stream);
  stream.onopen = () => say("· live");
  stream.onerror = () => say(
    stream.readyState === EventSource.CLOSED ? "· not live: reload to see what came" : "· connecting again"
  );
  stream.onmessage = event => { if (event.data !== counter) { counter = event.data; refresh(); } };
  addEventListener("pagehide", () => stream.close());
  addEventListener("pageshow", event => { if (event.persisted) location.reload(); });
})();
