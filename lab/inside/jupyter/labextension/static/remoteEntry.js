// What JupyterLab does for the course: it shows the start page (grader/startpage) as a tab, the first
// one when no other is restored; it shows lessons as they are meant to be read; and it lets everybody
// read and answer them, by keyboard or screen reader too. A prebuilt extension as JupyterLab loads it,
// written by hand, so nothing is built.
"use strict";

(() => {
  const NAME = "docker-kubernetes-course";
  const OPEN = "course:open";
  const NEEDED = [
    "@jupyterlab/application",
    "@jupyterlab/apputils",
    "@jupyterlab/coreutils",
    "@jupyterlab/launcher",
    "@jupyterlab/notebook",
    "@jupyterlab/ui-components",
  ];
  let scope;

  // Extensions may bring versions of their own; tokens are right only in JupyterLab's.
  async function shared(name) {
    const versions = Object.values(scope[name]);
    const own = versions.find((one) => String(one.from).startsWith("@jupyterlab/application-"));
    return (await (own || versions[0]).get())();
  }

  function addStyle(text) {
    const style = document.createElement("style");
    style.textContent = text;
    document.head.append(style);
  }

  function startPage({ application, apputils, coreutils, launcher: launchers, "ui-components": icons }) {
    class StartPage extends apputils.IFrame {
      constructor(app, themes) {
        // The page's own policy lets no script run; Safari calls listen's only with allow-scripts.
        super({ sandbox: ["allow-same-origin", "allow-scripts", "allow-top-navigation"] });
        this.app = app;
        this.themes = themes;
        this.frame = this.node.querySelector("iframe");
        this.frame.title = "Course";
        this.frame.addEventListener("load", () => this.listen());
        if (!themes || themes.theme) this.open();
        if (themes) themes.themeChanged.connect(this.open, this); // the first theme comes late
      }

      dispose() {
        if (this.themes && !this.isDisposed) this.themes.themeChanged.disconnect(this.open, this);
        super.dispose();
      }

      open() {
        const address = coreutils.URLExt.join(coreutils.PageConfig.getBaseUrl(), "course");
        const light = this.themes && this.themes.isLight(this.themes.theme);
        this.url = this.themes ? `${address}?theme=${light ? "light" : "dark"}` : address;
      }

      listen() {
        this.frame.contentDocument.addEventListener("click", (event) => {
          const link = event.target.closest("a[data-path]");
          if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
          event.preventDefault();
          this.app.commands.execute("docmanager:open", { path: link.dataset.path });
        });
      }

      // Back from a notebook: the page reads files, so what was run is saved first.
      async onAfterShow(message) {
        super.onAfterShow(message);
        const documents = [...this.app.shell.widgets("main")].map((each) => each.context);
        const counted = documents.filter((each) => each && /^(course|assignments)\//.test(each.path));
        const changed = counted.filter((each) => each.model.dirty && !each.model.readOnly);
        await Promise.allSettled(changed.map((each) => each.save()));
        const shown = this.frame.contentWindow && this.frame.contentWindow.location;
        // Otherwise it is on its way, and would be stopped.
        if (shown && shown.href.split("#")[0] === this.frame.src) shown.reload();
      }
    }

    return {
      id: `${NAME}:start-page`,
      description: "The course: what is done, what comes next, how the lab is.",
      autoStart: true,
      requires: [application.ILabShell],
      optional: [
        application.ILayoutRestorer,
        launchers.ILauncher,
        apputils.ICommandPalette,
        apputils.IThemeManager,
      ],
      activate(app, shell, restorer, launcher, palette, themes) {
        const tracker = new apputils.WidgetTracker({ namespace: NAME });
        app.commands.addCommand(OPEN, {
          label: "Course",
          caption: "What is done, what comes next, and how the lab is",
          icon: icons.listIcon,
          async execute() {
            let page = tracker.currentWidget;
            if (!page || page.isDisposed) {
              page = new apputils.MainAreaWidget({ content: new StartPage(app, themes) });
              page.id = NAME;
              page.title.label = "Course";
              page.title.icon = icons.listIcon;
              page.title.closable = true;
              page.toolbar.hide();
              await tracker.add(page);
            }
            if (!page.isAttached) shell.add(page, "main");
            shell.activateById(page.id);
          },
        });
        if (launcher) launcher.add({ command: OPEN, category: "Course", rank: 0 });
        if (palette) palette.addItem({ command: OPEN, category: "Course" });
        if (restorer) restorer.restore(tracker, { command: OPEN, name: () => NAME });
        // An address that names a notebook opens that.
        const asked = window.location.pathname.includes("/tree/");
        app.restored.then(() => {
          if (shell.isEmpty("main") && !asked) app.commands.execute(OPEN);
        });
      },
    };
  }

  // A hidden cell asks a question or says what happened: of its code nothing is shown, since the
  // first line alone may tell the answer.
  const QUESTIONS = "course-questions";
  const STYLE = `
    .${QUESTIONS} .jp-InputPlaceholder > * { display: none; }
    .${QUESTIONS} .jp-InputPlaceholder::before {
      content: "Shift+Enter: a question, or its answer";
      color: var(--jp-ui-font-color2);
      font-size: var(--jp-ui-font-size1);
      padding: 2px 5px;
    }
    .${QUESTIONS} .jp-CodeCell:has(.jp-OutputArea-child) .jp-Cell-inputWrapper:has(.jp-InputPlaceholder) {
      display: none;
    }`;
  const PYTHON = "text/x-ipython";
  const SHELL = "text/x-sh";
  const MAGIC = /^(\s*(#.*)?\n)*%%shell\b/;

  function lessons({ notebook: notebooks }) {
    const seen = new WeakSet();

    function colour(cell) {
      const shell = MAGIC.test(cell.sharedModel.getSource());
      if (shell && cell.mimeType !== SHELL) cell.mimeType = SHELL;
      if (!shell && cell.mimeType === SHELL) cell.mimeType = PYTHON;
    }

    function follow(cells) {
      for (const cell of cells) {
        if (cell.type !== "code" || seen.has(cell)) continue;
        seen.add(cell);
        cell.contentChanged.connect(colour);
        cell.mimeTypeChanged.connect(colour);
        colour(cell);
      }
    }

    function watch(panel) {
      if (panel.context.path.startsWith("course/")) panel.addClass(QUESTIONS);
      panel.context.ready.then(() => {
        const { cells } = panel.content.model;
        cells.changed.connect(() => follow(cells));
        follow(cells);
      });
    }

    return {
      id: `${NAME}:lessons`,
      description: "Shell cells in the colours of shell; questions without their code.",
      autoStart: true,
      requires: [notebooks.INotebookTracker],
      activate(app, tracker) {
        addStyle(STYLE);
        tracker.forEach(watch);
        tracker.widgetAdded.connect((_, panel) => watch(panel));
      },
    };
  }

  // What JupyterLab, ipywidgets and jupyterquiz leave out for those who use no mouse, see no picture
  // or tell no green from red.
  const PICTURE = ".jp-OutputArea-output:is(.jp-RenderedMermaid, .jp-RenderedImage) img";
  const CHOICE = '.jp-OutputArea-output input[type="radio"]';
  const QUIZ = ".jp-OutputArea-output .Quiz";
  const ALT = "A picture; what it shows is below it, as text.";
  const AS_TEXT = "course-as-text";
  const STEPS = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 };
  const FOR_EVERYBODY = `
    .jp-Notebook .jp-RenderedText pre a:any-link { text-decoration: underline; }
    .jp-Notebook .Quiz .Feedback { color: var(--jp-content-font-color1); }
    .jp-Notebook .Quiz .Feedback.correct::before { content: "✓ Right. "; }
    .jp-Notebook .Quiz .Feedback.incorrect::before { content: "✗ Not so. "; }
    .jp-Notebook .MCButton { animation: none; }
    .jp-Notebook .MCButton.correctButton { background: var(--jq-correct-color); }
    .jp-Notebook .MCButton.incorrectButton { background: var(--jq-incorrect-color); }
    .jp-Notebook .MCButton:has(:focus-visible) {
      outline: 3px solid black;
      outline-offset: -3px;
      box-shadow: inset 0 0 0 5px white;
    }
    .${AS_TEXT} summary { cursor: pointer; color: var(--jp-content-font-color2); }
    .${AS_TEXT} div { font-family: var(--jp-code-font-family); white-space: pre-wrap; }`;

  function everybody({ notebook: notebooks }) {
    let names = 0;

    // The same facts as the picture, which its output holds beside it.
    function putIntoWords(picture, notebook) {
      if (picture.alt) return;
      const cell = notebook.widgets.find((each) => each.node.contains(picture));
      const area = cell && cell.outputArea;
      if (!area) return;
      const place = area.widgets.findIndex((each) => each.node.contains(picture));
      const output = area.model.get(place);
      const text = output && output.data["text/plain"];
      if (!text) return;
      picture.alt = ALT;
      const words = document.createElement("details");
      words.className = AS_TEXT;
      // no pre: beside a diagram JupyterLab hides it
      words.append(document.createElement("summary"), document.createElement("div"));
      words.firstChild.textContent = "The same as text";
      words.lastChild.textContent = [text].flat().join("");
      picture.parentElement.append(words);
    }

    function nameOptions(options, question) {
      question.id = question.id || `${NAME}-question-${names++}`;
      options.setAttribute("role", "radiogroup");
      options.setAttribute("aria-labelledby", question.id);
    }

    function dress(notebook) {
      for (const picture of notebook.node.querySelectorAll(PICTURE)) putIntoWords(picture, notebook);
      for (const options of notebook.node.querySelectorAll(".widget-radio-box:not([role])")) {
        const question = options.closest(".widget-vbox");
        if (question) nameOptions(options, question.querySelector(".widget-html-content"));
      }
      for (const quiz of notebook.node.querySelectorAll(`${QUIZ}:has(> .Feedback:not([role]))`)) {
        quiz.querySelector(".Feedback").setAttribute("role", "status"); // read out when it changes
        nameOptions(quiz.querySelector(".Answer"), quiz.firstElementChild);
      }
    }

    // A choice in an output hears its keys before JupyterLab does, for which arrows and letters are
    // commands on cells. Enter stays JupyterLab's: Shift+Enter runs the cell. In a quiz to choose is
    // to answer: so arrows only lead from one option to the next, and Space chooses.
    function hear(event) {
      const choice = event.target.closest && event.target.closest(CHOICE);
      if (!choice) return;
      const modified = event.ctrlKey || event.altKey || event.metaKey;
      choice.toggleAttribute("data-lm-suppress-shortcuts", !modified && event.key !== "Enter");
      const quiz = choice.closest(QUIZ);
      if (!quiz || modified || !(event.key in STEPS)) return;
      event.preventDefault();
      const choices = [...quiz.querySelectorAll(CHOICE)];
      const place = choices.indexOf(choice) + STEPS[event.key] + choices.length;
      choices[place % choices.length].focus();
    }

    return {
      id: `${NAME}:everybody`,
      description: "Pictures as text, questions by keyboard, answers without colour.",
      autoStart: true,
      requires: [notebooks.INotebookTracker],
      activate(app, tracker) {
        addStyle(FOR_EVERYBODY);
        window.addEventListener("keydown", hear, true);
        function watch({ content }) {
          new MutationObserver(() => dress(content)).observe(content.node, {
            childList: true,
            subtree: true,
          });
        }
        tracker.forEach(watch);
        tracker.widgetAdded.connect((_, panel) => watch(panel));
      },
    };
  }

  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB[NAME] = {
    init(given) {
      scope = given;
    },
    async get() {
      const modules = await Promise.all(NEEDED.map(shared));
      const parts = Object.fromEntries(NEEDED.map((name, n) => [name.split("/")[1], modules[n]]));
      return () => ({ __esModule: true, default: [startPage(parts), lessons(parts), everybody(parts)] });
    },
  };
})();
