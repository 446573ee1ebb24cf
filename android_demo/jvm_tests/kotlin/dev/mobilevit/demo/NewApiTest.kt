package dev.mobilevit.demo

import java.io.File
import java.util.jar.JarFile
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Assume.assumeTrue
import org.junit.Test
import org.objectweb.asm.ClassReader
import org.objectweb.asm.tree.ClassNode
import org.objectweb.asm.tree.FieldInsnNode
import org.objectweb.asm.tree.MethodInsnNode

/**
 * Lint's NewApi: what the app's classes call of the framework is there in Android 7.0 (minSdk 24), or asked for by
 * SDK_INT. Java's own classes are the compiler's to check (-Xjdk-release).
 */
class NewApiTest {
    private val oldest by lazy { JarFile(System.getProperty("demo.oldest")) }
    private val app by lazy { File(System.getProperty("demo.classes")) }
    private val known = HashMap<String, ClassNode?>()

    @Test
    fun nothingIsCalledThatTheOldestAndroidLacks() {
        assumeTrue("Android Studio has the lint that this stands for", System.getProperty("demo.oldest") != null)
        val missing = sortedSetOf<String>()
        var looked = 0
        for (file in app.resolve("dev").walk().filter { it.extension == "class" }) {
            for ((owner, member) in called(file.readBytes())) {
                looked += 1
                if (!has(owner, member)) missing.add("$owner.$member")
            }
        }
        assertTrue("$looked", looked > 500)
        assertEquals(GUARDED, missing)
    }

    /** Framework members that a class uses: owner to name and descriptor. */
    private fun called(bytes: ByteArray): List<Pair<String, String>> {
        val type = ClassNode().also { ClassReader(bytes).accept(it, ClassReader.SKIP_DEBUG) }
        return type.methods.flatMap { it.instructions.toList() }.mapNotNull {
            when (it) {
                is MethodInsnNode -> it.owner to it.name + it.desc
                is FieldInsnNode -> it.owner to it.name + it.desc
                else -> null
            }
        }.filter { (owner, _) -> isFramework(owner) || app.resolve("$owner.class").isFile }
    }

    /** True where [owner] or what it inherits from has [member]; of other libraries everything is taken as there. */
    private fun has(owner: String, member: String): Boolean {
        if (!isFramework(owner) && !app.resolve("$owner.class").isFile) return true
        val type = known.getOrPut(owner) { read(owner) } ?: return false
        val own = type.methods.map { it.name + it.desc } + type.fields.map { it.name + it.desc }
        return member in own || (listOfNotNull(type.superName) + type.interfaces).any { has(it, member) }
    }

    private fun read(name: String): ClassNode? {
        val file = "$name.class"
        val stream = when {
            app.resolve(file).isFile -> app.resolve(file).inputStream()
            name.startsWith("java/") -> ClassLoader.getSystemResourceAsStream(file)
            else -> oldest.getJarEntry(file)?.let(oldest::getInputStream)
        } ?: return null
        return ClassNode().also { node -> stream.use { ClassReader(it).accept(node, ClassReader.SKIP_CODE) } }
    }

    private fun isFramework(owner: String) = FRAMEWORK.any(owner::startsWith)

    private companion object {
        val FRAMEWORK = listOf("android/", "java/", "javax/", "org/json/")

        /** PhotoDecoder asks for these from Android 8 on alone. */
        val GUARDED = sortedSetOf(
            "android/graphics/BitmapFactory\$Options.inPreferredColorSpaceLandroid/graphics/ColorSpace;",
            "android/graphics/ColorSpace.get(Landroid/graphics/ColorSpace\$Named;)Landroid/graphics/ColorSpace;",
            "android/graphics/ColorSpace\$Named.SRGBLandroid/graphics/ColorSpace\$Named;",
        )
    }
}
