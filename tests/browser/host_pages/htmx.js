// As htmx does: what a button names is fetched, and swapped in unless it is an error.
document.addEventListener("click", async ({ target }) => {
  const url = target.getAttribute("hx-post");
  if (!url) return;
  const inherited = JSON.parse(target.closest("[hx-headers]").getAttribute("hx-headers"));
  const body = new URLSearchParams({ note: document.querySelector("[name=note]").value });
  const response = await fetch(url, { method: "POST", body, headers: { "HX-Request": "true", ...inherited } });
  const text = await response.text();
  document.body.dataset.answers = `${document.body.dataset.answers ?? ""} ${response.status}`.trim();
  if (response.ok) document.querySelector(target.getAttribute("hx-target")).innerHTML = text;
});
