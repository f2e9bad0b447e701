// A list of any length with as many elements as fit the screen, which the keyboard walks.

/** So many rows stand ready above and below what is seen. */
const SPARE = 6;

/**
 * `make()` gives a row `{ element, … }`; `paint(row, item, index, isActive)` writes an item into it; `move(item, index)`
 * is called when the keyboard comes to one, `pick(item, index)` when one is chosen by click or Enter. The height of a row
 * is the custom property `--row`.
 */
export class List {
  items = [];
  /** The item that the keyboard is at; -1 for none. */
  active = -1;
  #scroller;
  #canvas;
  #make;
  #paint;
  #rows = new Map();
  #spare = [];
  #row = 32;
  #scheduled = false;

  constructor({ scroller, make, paint, move, pick }) {
    this.#scroller = scroller;
    this.#canvas = scroller.querySelector(".canvas");
    this.#make = make;
    this.#paint = paint;
    scroller.addEventListener("scroll", () => this.refresh(), { passive: true });
    new ResizeObserver(() => this.#measure()).observe(scroller);
    scroller.addEventListener("keydown", (event) => this.#key(event, move, pick));
    this.#canvas.addEventListener("click", (event) => {
      const row = event.target.closest("[data-index]");
      if (row) pick(this.items[Number(row.dataset.index)], Number(row.dataset.index));
    });
    this.#measure();
  }

  /** Paints what is seen, with the next frame: however much has changed, once. */
  refresh() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      this.#render();
    });
  }

  /** Moves so that an item is seen. */
  reveal(index) {
    const [top, bottom] = [index * this.#row, (index + 1) * this.#row];
    const head = this.#canvas.offsetTop;
    const seen = this.#scroller.clientHeight - head;
    if (top < this.#scroller.scrollTop) this.#scroller.scrollTop = top;
    else if (bottom > this.#scroller.scrollTop + seen) this.#scroller.scrollTop = bottom - seen;
    this.refresh();
  }

  /** The rows that exist now, with their items. */
  *painted() {
    for (const [index, row] of this.#rows) {
      if (index < this.items.length) yield [row, this.items[index]];
    }
  }

  #measure() {
    this.#row = parseFloat(getComputedStyle(this.#scroller).getPropertyValue("--row")) || 32;
    this.refresh();
  }

  #render() {
    const total = this.items.length;
    const height = `${total * this.#row}px`;
    if (this.#canvas.style.height !== height) this.#canvas.style.height = height;
    const { scrollTop, clientHeight } = this.#scroller;
    const first = Math.max(0, Math.floor(scrollTop / this.#row) - SPARE);
    const last = Math.min(total, Math.ceil((scrollTop + clientHeight) / this.#row) + SPARE);
    // The one that the keyboard is at stays, seen or not: what reads the screen aloud must find it.
    const isWanted = (index) => index < total && ((index >= first && index < last) || index === this.active);
    for (const [index, row] of this.#rows) {
      if (!isWanted(index)) {
        this.#rows.delete(index);
        this.#spare.push(row);
      }
    }
    for (let index = first; index < last; index += 1) this.#place(index);
    if (this.active >= 0 && this.active < total) this.#place(this.active);
    for (const row of this.#spare.splice(0)) row.element.remove();
    const active = this.#rows.get(this.active);
    if (active) this.#scroller.setAttribute("aria-activedescendant", active.element.id);
    else this.#scroller.removeAttribute("aria-activedescendant");
  }

  #place(index) {
    let row = this.#rows.get(index);
    if (!row) {
      row = this.#spare.pop() ?? this.#make();
      this.#rows.set(index, row);
      if (!row.element.isConnected) this.#canvas.append(row.element);
      row.element.dataset.index = index;
    }
    const offset = `translateY(${index * this.#row}px)`;
    if (row.element.style.transform !== offset) row.element.style.transform = offset;
    this.#paint(row, this.items[index], index, index === this.active);
  }

  #key(event, move, pick) {
    if (event.target !== this.#scroller || event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(this.#scroller.clientHeight / this.#row) - 2);
    const last = this.items.length - 1;
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in steps && last >= 0) {
      const from = this.active < 0 && steps[event.key] > 0 ? -1 : this.active;
      this.active = Math.min(last, Math.max(0, from + steps[event.key]));
      move(this.items[this.active], this.active);
      this.reveal(this.active);
    } else if ((event.key === "Enter" || event.key === " ") && this.active >= 0 && this.active <= last) {
      pick(this.items[this.active], this.active);
    } else {
      return;
    }
    event.preventDefault();
  }
}
