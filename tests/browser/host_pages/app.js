// A small app in one page: it draws itself, talks JSON, and takes its token from the cookie.
const draw = (name, properties) => document.querySelector("#app").appendChild(
  Object.assign(document.createElement(name), properties),
);
draw("h1", { textContent: "An app" });
const note = draw("input", { ariaLabel: "Note" });
const answer = draw("output", {});
draw("button", { textContent: "Send" }).addEventListener("click", async () => {
  const [, token] = /csrftoken=(\w+)/.exec(document.cookie) ?? [];
  const response = await fetch("/host/api/", {
    method: "POST",
    headers: { Accept: "application/json", "X-CSRFToken": token },
    body: new URLSearchParams({ note: note.value }),
  });
  const text = await response.text();
  document.body.dataset.answers = `${document.body.dataset.answers ?? ""} ${response.status}`.trim();
  if (response.ok) answer.textContent = text;
});
