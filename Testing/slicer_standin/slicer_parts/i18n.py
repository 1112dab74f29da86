"""slicer.i18n: texts pass unchanged, as in a Slicer without a language pack."""


def translate(context, text):
    import slicer

    return slicer.app.translate(context, text) if hasattr(slicer, "app") else text


def tr(text):
    return translate("", text)
