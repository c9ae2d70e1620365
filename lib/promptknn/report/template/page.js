"use strict";
(() => {
  const list = document.getElementById("cards");
  const cards = [...list.children];
  const box = document.getElementById("filter");
  const shown = document.getElementById("shown");
  const buttons = [...document.querySelectorAll("button[data-sort]")];
  const texts = new Map(cards.map((card) => [
    card,
    [...card.querySelectorAll("[data-search]")].map((part) => part.textContent).join("\n").toLowerCase(),
  ]));
  let order = "";

  const filter = () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const card of cards) {
      card.hidden = !words.every((word) => texts.get(card).includes(word));
      count += card.hidden ? 0 : 1;
    }
    shown.textContent = `${count} of ${cards.length} images shown${order}`;
  };

  const sort = (button) => {
    const key = button.dataset.sort;
    const again = button.getAttribute("aria-pressed") === "true" && button.dataset.order;
    // Names begin at the first; figures at the highest, and a second press turns them round.
    const first = key === "name" ? "up" : "down";
    const direction = again ? (button.dataset.order === "up" ? "down" : "up") : first;
    for (const other of buttons) {
      other.setAttribute("aria-pressed", String(other === button));
      delete other.dataset.order;
      other.textContent = other.textContent.replace(/ [↑↓]$/, "");
    }
    button.dataset.order = direction;
    button.textContent += direction === "up" ? " ↑" : " ↓";
    const value = (card) => (key in card.dataset ? Number(card.dataset[key]) : null);
    const sign = direction === "up" ? 1 : -1;
    const sorted = [...cards].sort((one, other) => {
      const [a, b] = [value(one), value(other)];
      // What has no figure stays last, whichever way the others go.
      if (a === null || b === null) return (a === null) - (b === null);
      return sign * (a - b);
    });
    list.append(...sorted);
    const ends = key === "name" ? ["Z", "A"] : ["highest", "lowest"];
    order = `, sorted by ${button.textContent.slice(0, -2).toLowerCase()}, ${ends[Number(direction === "up")]} first`;
    filter();
  };

  box.addEventListener("input", filter);
  for (const button of buttons) button.addEventListener("click", () => sort(button));
  // A link to an image that the filter hides must find it.
  window.addEventListener("hashchange", () => {
    const card = document.getElementById(location.hash.slice(1));
    if (card && card.hidden) {
      box.value = "";
      filter();
      card.scrollIntoView();
    }
  });
  document.querySelector(".controls").hidden = false;
  filter();
})();
