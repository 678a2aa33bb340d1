// Keys: / search, j k rows, Enter open (the link has the focus), e enrollment, Esc close, ? help.
// Everything works without.
(() => {
  const link = (row) => row && row.querySelector("th a");
  const rows = () => [...document.querySelectorAll(".ledger tbody tr")].filter(link);
  const current = () => rows().findIndex((row) => row.contains(document.activeElement));
  const typing = (on) => on.closest("input, textarea, select, [contenteditable]");
  const menus = () => document.querySelectorAll("details.menu[open]");
  const closeMenus = (but) => menus().forEach((menu) => {
    if (menu !== but && !menu.contains(but)) menu.open = false;
  });

  const move = (by) => {
    const all = rows(), at = current();
    const start = at < 0 ? all.findIndex((row) => row.hasAttribute("aria-current")) : at;
    const next = all[Math.min(all.length - 1, Math.max(0, start + by))];
    if (next) { link(next).focus(); next.scrollIntoView({ block: "nearest" }); }
  };
  const openMenu = (menu) => {
    if (!menu) return;
    menu.open = true;
    const first = menu.querySelector("input[type=search], [aria-current=true], button, a");
    if (first) first.focus();
  };
  const keys = {
    "/": () => openMenu(document.getElementById("search")),
    j: () => move(1),
    k: () => move(-1),
    e: () => {
      const row = rows()[current()];
      openMenu((row || document.querySelector(".drawer") || document).querySelector(".enr details"));
    },
    "?": () => document.getElementById("keys").showModal(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") {
      const open = [...menus()].pop();
      if (open) { open.open = false; open.querySelector("summary").focus(); return; }
      const close = document.querySelector(".drawer .close");
      if (close && !document.querySelector("dialog[open]") && !typing(event.target)) close.click();
      return;
    }
    if (typing(event.target) || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  document.addEventListener("click", (event) => closeMenus(event.target));

  // Up and down lead through what a search found, from the box and back to it.
  document.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const box = event.target.closest("form.find, main");
    if (!step || !box || !event.target.closest("form.find, .found")) return;
    const places = [...box.querySelectorAll("input[type=search], .found a")];
    const next = places[places.indexOf(event.target) + step];
    if (!next) return;
    event.preventDefault();
    next.focus();
  });

  // Enrollment changes in its place.
  document.addEventListener("submit", async (event) => {
    const button = event.submitter;
    if (event.target.id !== "pin" || !button) return;
    event.preventDefault();
    const body = new URLSearchParams(new FormData(event.target));
    body.set(button.name, button.value);
    const answer = await fetch(event.target.action, { method: "POST", body, headers: { "HX-Request": "true" } });
    if (!answer.ok) { location.reload(); return; }
    const text = await answer.text();
    const cells = [...document.querySelectorAll(".enr details")]
      .filter((one) => one.querySelector("button").value === button.value);
    const own = cells.indexOf(button.closest("details"));
    const fresh = cells.map((cell) => {
      const made = new DOMParser().parseFromString(text, "text/html").querySelector("details");
      cell.replaceWith(made);
      return made;
    });
    fresh[own].querySelector("summary").focus();
    const said = document.getElementById("toast");
    const textContent = `Enrollment: ${fresh[own].querySelector("summary").textContent}`;
    if (said) said.replaceChildren(Object.assign(document.createElement("span"), { className: "vh", textContent }));
  });

  // Copy: the button names what it copies.
  for (const button of document.querySelectorAll("[data-copy]")) {
    if (!navigator.clipboard) break;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.copy);
      await navigator.clipboard.writeText(source.value || source.textContent.trim());
      button.lastChild.textContent = "Copied";
    });
  }

  for (const button of document.querySelectorAll("[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => print());
  }

  // A changed form warns before it is left, but not when it is sent.
  let sent = false;
  const changed = (form) => [...form.elements].some((one) =>
    one.type === "checkbox" || one.type === "radio" ? one.checked !== one.defaultChecked
      : one.options ? [...one.options].some((option) => option.selected !== option.defaultSelected)
        && [...one.options].some((option) => option.defaultSelected)
      : "defaultValue" in one && one.type !== "hidden" && one.value !== one.defaultValue);
  document.addEventListener("submit", () => { sent = true; });
  addEventListener("beforeunload", (event) => {
    if (!sent && [...document.querySelectorAll("form[data-keep]")].some(changed)) event.preventDefault();
  });

  // What was swapped in keeps the focus near: a part that was replaced gets it where nothing else has.
  document.addEventListener("htmx:afterSettle", (event) => {
    sent = false;
    const part = document.getElementById(event.detail.target.id);
    if (part && document.activeElement === document.body) part.focus({ preventScroll: true });
  });

  // The row that a drawer belongs to keeps its place, and gets the focus back when the drawer closes.
  const opened = "winback-opened";
  const drawer = document.getElementById("drawer");
  if (drawer) {
    const row = document.querySelector(".ledger tr[aria-current]");
    if (row) row.scrollIntoView({ block: "center" });
    sessionStorage.setItem(opened, location.pathname);
    drawer.focus({ preventScroll: true });
  } else {
    const path = sessionStorage.getItem(opened);
    sessionStorage.removeItem(opened);
    const back = path && rows().map(link).find((one) => one && one.pathname === path);
    if (back) { back.focus(); back.scrollIntoView({ block: "center" }); }
  }
})();
