// As Turbo does: a link's page is fetched, its body takes the place of the old one, and its scripts run.
document.addEventListener("click", async (event) => {
  const link = event.target.closest("a:not([target])");
  if (!link) return;
  event.preventDefault();
  const response = await fetch(link.href, { headers: { Accept: "text/html, application/xhtml+xml" } });
  if (!response.ok) return location.assign(link.href);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const script of page.body.querySelectorAll("script")) {
    const fresh = document.createElement("script");
    for (const { name, value } of script.attributes) fresh.setAttribute(name, value);
    script.replaceWith(fresh);
  }
  history.pushState({}, "", link.href);
  document.title = page.title;
  document.body.replaceWith(document.adoptNode(page.body));
});
