package dev.mobilevit.demo

import java.io.File
import org.jetbrains.kotlin.cli.common.messages.MessageCollector
import org.jetbrains.kotlin.cli.jvm.compiler.EnvironmentConfigFiles
import org.jetbrains.kotlin.cli.jvm.compiler.KotlinCoreEnvironment
import org.jetbrains.kotlin.com.intellij.openapi.util.Disposer
import org.jetbrains.kotlin.com.intellij.psi.PsiErrorElement
import org.jetbrains.kotlin.com.intellij.psi.PsiFileFactory
import org.jetbrains.kotlin.com.intellij.psi.util.PsiTreeUtil
import org.jetbrains.kotlin.config.CommonConfigurationKeys
import org.jetbrains.kotlin.config.CompilerConfiguration
import org.jetbrains.kotlin.idea.KotlinLanguage
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test

/** Gradle itself does not run here: its scripts are at least Kotlin, and what they name is there. */
class GradleScriptTest {
    private val root = File(System.getProperty("demo.sources"))
    private val scripts = listOf("build.gradle.kts", "settings.gradle.kts", "app/build.gradle.kts")

    @Test
    fun everyScriptParsesAndABrokenOneDoesNot() {
        for (name in scripts) assertEquals(name, emptyList<String>(), errors(root.resolve(name).readText()))
        assertTrue(errors(root.resolve("app/build.gradle.kts").readText().replaceFirst("{", "(")).isNotEmpty())
    }

    @Test
    fun everyEntryOfTheCatalogueThatTheScriptsNameIsThere() {
        val catalogue = root.resolve("gradle/libs.versions.toml").readText()
        val key = Regex("^([\\w-]+) *=", RegexOption.MULTILINE)
        val section = Regex("^\\[(\\w+)]\\R((?:(?!\\[).*\\R?)*)", RegexOption.MULTILINE)
        val table = section.findAll(catalogue).associate { part ->
            part.groupValues[1] to key.findAll(part.groupValues[2]).map { it.groupValues[1] }.toSet()
        }
        val named = scripts.flatMap { name ->
            Regex("\\blibs\\.(?!versions\\.)([\\w.]+)").findAll(root.resolve(name).readText()).map { it.groupValues[1] }
        }
        assertTrue(named.size >= 10)
        for (name in named) {
            val plugin = name.removePrefix("plugins.")
            val place = if (plugin == name) "libraries" else "plugins"
            assertTrue("$name in $place", plugin.replace('.', '-') in table.getValue(place))
        }
    }

    @Test
    fun everySettingThatTheScriptsReadIsThere() {
        val settings = root.resolve("gradle.properties").readLines().map { it.substringBefore('=') }
        val named = Regex("setting\\(\"(\\w+)\"\\)").findAll(root.resolve("app/build.gradle.kts").readText())
        for (name in named.map { it.groupValues[1] }) assertTrue(name, name in settings)
    }

    private fun errors(script: String): List<String> {
        val disposable = Disposer.newDisposable()
        try {
            val configuration = CompilerConfiguration()
            configuration.put(CommonConfigurationKeys.MESSAGE_COLLECTOR_KEY, MessageCollector.NONE)
            val files = EnvironmentConfigFiles.JVM_CONFIG_FILES
            val project = KotlinCoreEnvironment.createForProduction(disposable, configuration, files).project
            val factory = PsiFileFactory.getInstance(project)
            val file = factory.createFileFromText("a.gradle.kts", KotlinLanguage.INSTANCE, script)
            return PsiTreeUtil.collectElementsOfType(file, PsiErrorElement::class.java).map { it.errorDescription }
        } finally {
            Disposer.dispose(disposable)
        }
    }
}
