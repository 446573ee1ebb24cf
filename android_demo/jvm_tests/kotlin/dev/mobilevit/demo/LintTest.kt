package dev.mobilevit.demo

import java.io.File
import javax.xml.parsers.DocumentBuilderFactory
import kotlin.math.pow
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.w3c.dom.Element

/** The checks of Android's lint that need no SDK, on the app's resources, manifest and sources. */
class LintTest {
    private val main = File(System.getProperty("demo.sources"), "app/src/main")
    private val files = main.resolve("res").walk().filter { it.extension == "xml" }.toList()
    private val layouts = files.filter { it.parentFile.name.startsWith("layout") || it.parentFile.name == "menu" }

    @Test
    fun everyResourceIsUsed() {
        val text = main.walk().filter { it.extension in setOf("kt", "xml") }.joinToString("\n") { it.readText() }
        val defined = files.filter { it.parentFile.name.startsWith("values") }.flatMap { file ->
            elements(file).filter { it.hasAttribute("name") && it.tagName != "item" }
                .map { it.tagName to it.getAttribute("name") }
        }
        assertTrue(defined.size > 80)
        val named = files.filter { !it.parentFile.name.startsWith("values") }
            .map { it.parentFile.name.substringBefore('-') to it.nameWithoutExtension }
        val unused = (defined + named).filter { (kind, name) ->
            val inherited = kind == "style" && Regex("name=\"$name\\.").containsMatchIn(text)
            !inherited && !Regex("@$kind/$name\\b|R\\.$kind\\.$name\\b").containsMatchIn(text)
        }
        assertEquals(emptyList<Any>(), unused)
    }

    @Test
    fun noLayoutHasTextOfItsOwnSidesThatDoNotTurnOrTextInDp() {
        val wrong = layouts.flatMap { file ->
            val all = elements(file).flatMap(::attributes)
            all.filter { (name, value) -> isWrong(name, value) }.map { "${file.name} $it" }
        }
        assertEquals(emptyList<String>(), wrong)
        val sizes = Regex("textSize\">([^<]*)<").findAll(main.resolve("res/values/styles.xml").readText())
        assertTrue(sizes.all { it.groupValues[1].endsWith("sp") })
    }

    private fun isWrong(name: String, value: String): Boolean = when {
        name in TEXTS -> !value.startsWith("@")
        name == "android:textSize" -> !value.endsWith("sp")
        name.contains("Left") || name.contains("Right") -> true
        name.endsWith("ravity") -> "left" in value || "right" in value
        else -> false
    }

    @Test
    fun everyPictureSpeaksOrIsSilentOnPurpose() {
        val views = layouts.flatMap { file -> elements(file).map { file.name to it } }
        val pictures = views.filter { (_, view) -> view.tagName in PICTURES }
        val silent = pictures.filter { (_, view) ->
            val spoken = view.hasAttribute("android:contentDescription")
            !spoken && view.getAttribute("android:importantForAccessibility") != "no"
        }
        assertTrue(pictures.size >= 10)
        assertEquals(emptyList<Any>(), silent.map { (file, view) -> "$file ${view.getAttribute("android:id")}" })
    }

    @Test
    fun textHasAContrastOfFourAndAHalfByDayAndNight() {
        val day = colors("values")
        for ((theme, colors) in mapOf("day" to day, "night" to day + colors("values-night"))) {
            for (pair in listOf(
                "text" to "background", "text_soft" to "background", "text" to "card", "text_soft" to "card",
                "on_accent" to "accent", "on_tonal" to "tonal", "on_problem" to "problem",
            )) {
                val (dark, light) = listOf(pair.first, pair.second).map { luminance(colors.getValue(it)) }.sorted()
                assertTrue("$theme $pair ${(light + 0.05) / (dark + 0.05)}", (light + 0.05) / (dark + 0.05) >= 4.5)
            }
        }
        val nightAlone = colors("values-night").keys - day.keys
        assertEquals("every colour of the night is one of the day", emptySet<String>(), nightAlone)
    }

    @Test
    fun theManifestSaysOfEveryComponentWhetherOthersMayUseIt() {
        val manifest = elements(main.resolve("AndroidManifest.xml"))
        val components = manifest.filter { it.tagName in setOf("activity", "provider") }
        assertTrue(components.size >= 7)
        val open = components.filter { it.getAttribute("android:exported") != "false" }
        assertEquals(listOf(".MainActivity"), open.map { it.getAttribute("android:name") })
        for (component in components) {
            val file = main.resolve("kotlin/dev/mobilevit/demo/${component.getAttribute("android:name").drop(1)}.kt")
            assertTrue(file.path, file.isFile)
        }
    }

    private fun elements(file: File): List<Element> {
        val all = DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(file).getElementsByTagName("*")
        return List(all.length) { all.item(it) as Element }
    }

    private fun attributes(element: Element): List<Pair<String, String>> =
        List(element.attributes.length) { element.attributes.item(it) }.map { it.nodeName to it.nodeValue }

    private fun colors(folder: String): Map<String, Int> = elements(main.resolve("res/$folder/colors.xml"))
        .filter { it.tagName == "color" }
        .associate { it.getAttribute("name") to it.textContent.drop(1).toLong(16).toInt() }

    /** Relative luminance of an opaque sRGB colour (WCAG 2). */
    private fun luminance(color: Int): Double = WEIGHTS.sumOf { (shift, weight) ->
        val value = (color shr shift and 0xFF) / 255.0
        weight * if (value <= 0.04045) value / 12.92 else ((value + 0.055) / 1.055).pow(2.4)
    }

    private companion object {
        val TEXTS = setOf("android:text", "android:hint", "android:title", "android:contentDescription")
        val PICTURES = setOf(
            "ImageView", "ImageButton", "TextureView", "ProgressBar", "SeekBar", "dev.mobilevit.demo.SeenFrame",
        )
        val WEIGHTS = listOf(16 to 0.2126, 8 to 0.7152, 0 to 0.0722) // of red, green and blue
    }
}
