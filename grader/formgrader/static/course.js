// Formgrader's pages in this course. nbgrader's scripts make the tables; this takes out the columns
// whose work bin/lab does, and listens where nbgrader's templates have inline handlers, which the
// pages' policy forbids.

// Loaded after the page's own script, and before the window's load event, in which it fills the table.
if (typeof insertRow === "function") {
  const nbgradersRow = insertRow;
  insertRow = (table) => {
    const row = nbgradersRow(table);
    row.find(document.body.dataset.without || ":empty:not(*)").remove();
    return row;
  };
}

$(document).on("click", "#add-student", () => createStudentModal());
$(document).on("click", "#toggle_names", () => toggleAllNames());

// The page of a submission: formulas are shown as they were typed, so there is no MathJax to wait for.
window.MathJax = { Hub: { Startup: { signal: { Interest: (tell) => tell("End") } } } };

$(document).on("click", ".glyphicon.name-hidden, .glyphicon.name-shown", (event) => {
  if (typeof submission_id === "undefined") return; // in lists nbgrader's own script does it
  const hide = $(event.target).hasClass("name-shown");
  $(".name-shown").toggle(!hide);
  $(".name-hidden").toggle(hide);
});

if (typeof CommentUI === "function") {
  const nbgradersComment = CommentUI.prototype.initialize;
  CommentUI.prototype.initialize = function () {
    nbgradersComment.call(this);
    this.$comment.attr("placeholder", "A comment for the student, shown as you type it");
  };
}
