"""The script of a site: it shows the filter form, makes buttons of sortable headers, hides rows and puts them in order.

Every row is in the page; without the script all of them stay, and there is no control that does nothing.
"""

SCRIPT = """
const form = document.querySelector("form[data-table]");
if (form) {
  const table = document.getElementById(form.dataset.table), body = table.tBodies[0];
  const rows = Array.from(body.rows).map(row => ({row, text: row.textContent.toLowerCase()}));
  const count = form.querySelector("output");
  const filter = () => {
    const words = form.elements.search.value.toLowerCase().split(/\\s+/).filter(Boolean);
    const {state, notebook} = form.elements;
    let shown = 0;
    for (const {row, text} of rows) {
      const kept = words.every(word => text.includes(word)) && (!state.value || row.dataset.state === state.value)
        && (!notebook.value || row.dataset.notebook === notebook.value);
      row.hidden = !kept;
      shown += kept;
    }
    count.value = `${shown} of ${rows.length} runs`;
  };
  const key = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.value === undefined ? cell.textContent.trim() : Number(cell.dataset.value);
  };
  const sort = header => {
    const up = header.getAttribute("aria-sort") !== "ascending", column = header.cellIndex;
    for (const other of header.parentElement.cells) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", up ? "ascending" : "descending");
    const found = rows.map(one => [key(one.row, column), one]);
    found.sort(([a, one], [b, other]) => {
      if (a === "" || b === "") return (a === "") - (b === "");
      const order = typeof a === "number" && typeof b === "number"
        ? a - b : String(a).localeCompare(String(b), "en", {numeric: true});
      return up ? order : -order;
    });
    body.append(...found.map(([, one]) => one.row));
  };
  for (const header of table.tHead.querySelectorAll("[data-sort]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    button.addEventListener("click", () => sort(header));
    header.append(button);
  }
  form.addEventListener("input", filter);
  form.addEventListener("submit", event => event.preventDefault());
  form.hidden = false;
  filter();
}
"""
