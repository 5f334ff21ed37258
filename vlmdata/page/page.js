"use strict";
(() => {
  const root = document.documentElement;
  const byId = (name) => document.getElementById(name);

  const theme = byId("theme");
  const themes = ["auto", "light", "dark"];
  const show = (name) => {
    if (name === "auto") root.removeAttribute("data-theme");
    else root.setAttribute("data-theme", name);
    theme.textContent = `Theme: ${name}`;
  };
  let current = "auto";
  theme.hidden = false;
  theme.addEventListener("click", () => {
    current = themes[(themes.indexOf(current) + 1) % themes.length];
    show(current);
  });

  const filters = byId("filters");
  if (!filters) return;
  const cards = Array.from(document.querySelectorAll("#cards > .card"));
  const selects = Array.from(filters.querySelectorAll("select"));
  const values = (card, name) => {
    const held = { kind: "kind", split: "split", rule: "rules", tag: "tags" }[name];
    return name === "split" ? [card.dataset.split] : card.dataset[held].split(" ");
  };
  const apply = () => {
    let shown = 0;
    for (const card of cards) {
      const fits = selects.every((select) => !select.value || values(card, select.dataset.filter).includes(select.value));
      card.hidden = !fits;
      if (fits) shown += 1;
    }
    byId("shown").textContent = shown === cards.length ? `${shown} rows` : `${shown} of ${cards.length} rows`;
  };
  const reset = () => selects.forEach((select) => { select.value = ""; });
  filters.hidden = false;
  selects.forEach((select) => select.addEventListener("change", apply));
  byId("reset").addEventListener("click", () => { reset(); apply(); });
  for (const button of document.querySelectorAll("button.to-rows")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      reset();
      const rule = byId("filter-rule");
      if (rule) rule.value = button.dataset.rule;
      apply();
      byId("rows").scrollIntoView();
      if (rule) rule.focus({ preventScroll: true });
    });
  }
})();
