/** Shows the server's times in the reader's own time zone; without it they are in UTC. */
const FORMATS = {
  time: { hour: "2-digit", minute: "2-digit" },
  moment: { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" },
};
const language = document.documentElement.lang;

for (const element of document.querySelectorAll("time[data-local]")) {
  const format = new Intl.DateTimeFormat(language, FORMATS[element.dataset.local]);
  element.textContent = format.format(new Date(element.dateTime));
}
